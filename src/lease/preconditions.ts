/** What a request for a lease must satisfy by itself: arguments, permission, and the state of the file's map. */
import { E } from '../system/errno.ts';
import type { Access, Holder, Refusal } from './api.ts';
import type { Core } from './core.ts';
import { invalid, noAccess, notFound, notPrivileged } from './explain.ts';
import { KINDS } from './kinds.ts';
import type { LeaseTerms } from './lease.ts';

/** Permission (leases.md section 2): EPERM for what needs privilege, EACCES for the file's own. */
export function permission(terms: LeaseTerms, access: Access, holder: Holder): Refusal | undefined {
  if (holder.privileged) return undefined;
  if (terms.unbreakable || KINDS[terms.kind].unbreakable) return notPrivileged();
  const writes = terms.mode === 'rw' || terms.kind === 'exclusive';
  if (writes && !access.write) return noAccess('a lease to write needs write permission on the file');
  const onlyReads = terms.kind === 'direct' || (terms.kind === 'layout' && terms.mode === 'ro');
  if (onlyReads && !(access.read && access.owner)) return noAccess('needs the owner of the file, with read permission');
  return undefined;
}

/** Bytes; `end` Infinity = whole file. */
export function geometry(core: Core, offset: number, end: number, align: number): Refusal | undefined {
  const { blockSize, pageSize } = core.options;
  if (!(offset >= 0) || !(end > offset)) return invalid('range', 'the range is empty or negative');
  if (offset % blockSize !== 0 || (Number.isFinite(end) && end % blockSize !== 0)) {
    return invalid('range', `the range must be aligned to blocks of ${blockSize} bytes`);
  }
  if (align === 0) return undefined;
  if (align < pageSize || !Number.isInteger(Math.log2(align)))
    return invalid('align', `align must be a power of two of at least ${pageSize}`);
  if (offset % align !== 0 || (Number.isFinite(end) && end % align !== 0))
    return invalid('alignment', `the range is not aligned to ${align} bytes`);
  return undefined;
}

/** The map, as it is now. Asked again in the step that grants. */
export function mapState(core: Core, ino: number, terms: LeaseTerms, offset: number, end: number): Refusal | undefined {
  const facts = core.ports.map.facts(ino, offset, end, terms.align);
  if (!facts) return notFound('no such file');
  if (!facts.regular) return invalid('not regular', 'only regular files have a block map');
  const rule = KINDS[terms.kind];
  if (rule.column === 'direct' || rule.column === 'unbreakable') {
    const { blockSize } = core.options;
    const last = Math.ceil(facts.size / blockSize) * blockSize;
    if (facts.size === 0 || offset >= facts.size || (Number.isFinite(end) && end > last)) {
      return invalid(
        'beyond end of file',
        `the range must lie inside the file of ${facts.size} bytes: prepare extends it`,
      );
    }
  }
  if (facts.hole && !rule.holes) return unmappable('hole', 'the range has holes: prepare it first');
  if (facts.shared && !rule.sharedExtents)
    return unmappable('shared', 'the range shares blocks with another file: prepare unshares');
  if (facts.unwritten && (rule.unwritten === false || (rule.unwritten === 'if unwritten_ok' && !terms.unwrittenOk))) {
    return unmappable('unwritten', 'the range has unwritten blocks: prepare zeroes them, or ask with unwritten_ok');
  }
  if (terms.align !== 0 && facts.misaligned)
    return invalid('alignment', `its extents are not aligned to ${terms.align} bytes: prepare align=${terms.align}`);
  return undefined;
}

function unmappable(cause: string, hint: string): Refusal {
  return { errno: E.NXIO, cause, hint };
}
