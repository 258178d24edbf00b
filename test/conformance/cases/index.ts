import type { Case } from '../case.ts';
import { attributes } from './attributes.ts';
import { data } from './data.ts';
import { errors } from './errors.ts';
import { locks } from './locks.ts';
import { mappings } from './mappings.ts';
import { names } from './names.ts';
import { ownership } from './ownership.ts';
import { setId } from './set-id.ts';
import { space } from './space.ts';
import { special } from './special.ts';
import { times } from './times.ts';

/** The whole set. */
export const cases: readonly Case[] = [
  ...errors,
  ...ownership,
  ...setId,
  ...names,
  ...attributes,
  ...times,
  ...data,
  ...space,
  ...mappings,
  ...locks,
  ...special,
];
