import type { CheckReport } from './report.ts';

/** The report as lines for a terminal; `json` gives one JSON object instead. Ends without a newline. */
export function renderReport(report: CheckReport, options: { json?: boolean } = {}): string {
  if (options.json) return JSON.stringify(report);
  const lines: string[] = [];
  for (const note of report.notes) lines.push(`${report.image}: ${note}`);
  for (const p of report.problems) {
    lines.push(
      `${p.check}: ${p.message} [${p.code}] ${p.repaired ? '— mended' : p.safe ? '' : '— needs -y'}`.trimEnd(),
    );
  }
  if (report.found > report.problems.length) lines.push(`… and ${report.found - report.problems.length} more`);
  if (report.refused) lines.push(`${report.image}: ${report.refused}`);
  if (report.cancelled) lines.push(`${report.image}: cancelled, nothing was changed`);
  const t = report.totals;
  const state =
    report.refused || report.cancelled
      ? 'not checked'
      : report.found === 0
        ? 'clean'
        : report.found === report.repaired
          ? `mended, ${report.found} problems`
          : `DAMAGED, ${report.found} problems, ${report.repaired} mended`;
  lines.push(
    `${report.image}: ${state}; ${t.inodes} inodes, ${t.extents} extents, ${t.used}/${t.blocks} blocks used, ${t.quarantined} in quarantine`,
  );
  return lines.join('\n');
}
