/**
 * The typed fields of requests and replies. A field is data: the parser, the validator, the TypeScript types of
 * server and client, the help and the reference page are all derived from the same tables (verbs.ts).
 */

/** How a field is written. Each kind has one reader (read.ts) and one writer per form (write.ts). */
export type FieldKind =
  | 'integer' // 0 … 2^53-1; JSON number
  | 'size' // bytes; k m g t are powers of 1024
  | 'duration' // seconds (plain: also with ms s m h), or "inf"; the value is seconds
  | 'path' // bytes; \xNN for what is not UTF-8
  | 'text'
  | 'choice'
  | 'flag' // plain: the bare word; JSON: a boolean
  | 'ranges' // plain: a-b,c-d; JSON: [{"offset":…,"length":…}]
  | 'milliseconds' // replies only: plain "3.2s" under the name without _ms, "-" for null
  | 'real'
  | 'object' // replies only: a group of fields
  | 'any'; // replies only: printed as it is

export interface Range {
  /** Bytes. */
  offset: number;
  /** Bytes; null is "to any end". */
  length: number | null;
}

export interface Field<T, R extends boolean = boolean> {
  readonly kind: FieldKind;
  readonly help: string;
  readonly required: R;
  readonly choices?: readonly string[];
  /** A further condition on a text; `expected` says it in words. */
  readonly accepts?: (value: string) => boolean;
  readonly expected?: string;
  readonly nullable?: boolean;
  readonly fields?: Fields;
  /** Never set: carries the TypeScript type of the value. */
  readonly value?: T;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;

type MayBe<T> = Field<T, false>;
type MustBe<T> = Field<T, true>;

const field =
  <T>(kind: FieldKind) =>
  (help: string): MayBe<T> => ({ kind, help, required: false });

export const integer = field<number>('integer');
export const size = field<number>('size');
export const duration = field<number>('duration');
export const path = field<Uint8Array>('path');
export const text = field<string>('text');
export const flag = field<boolean>('flag');
export const ranges = field<readonly Range[]>('ranges');
export const milliseconds = field<number>('milliseconds');
export const real = field<number>('real');
export const any = field<unknown>('any');

export function choice<const C extends readonly string[]>(choices: C, help: string): MayBe<C[number]> {
  return { kind: 'choice', help, required: false, choices };
}

export function matching(accepts: (value: string) => boolean, expected: string, help: string): MayBe<string> {
  return { kind: 'text', help, required: false, accepts, expected };
}

export function group<const F extends Fields>(fields: F, help: string): MayBe<ValuesOf<F>> {
  return { kind: 'object', help, required: false, fields };
}

export function required<T>(of: MayBe<T>): MustBe<T> {
  return { ...of, required: true } as MustBe<T>;
}

/** The value may be null ("-" in the plain form). */
export function nullable<T>(of: Field<T>): MustBe<T | null> {
  return { ...of, required: true, nullable: true } as MustBe<T | null>;
}

type ValueOf<F> = F extends Field<infer T> ? T : never;
type RequiredKeys<F extends Fields> = { [K in keyof F]: F[K]['required'] extends true ? K : never }[keyof F];

/** The TypeScript type of the values of a table of fields. */
export type ValuesOf<F extends Fields> = { -readonly [K in RequiredKeys<F>]: ValueOf<F[K]> } & {
  -readonly [K in Exclude<keyof F, RequiredKeys<F>>]?: ValueOf<F[K]>;
};
