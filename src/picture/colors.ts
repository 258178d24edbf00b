import type { BlockState } from './device.ts';

/** How a state looks: colours that people with any colour vision can tell apart, and a letter for where there are none. */
export const LOOKS: Record<BlockState, { color: string; ansi: number; letter: string; meaning: string }> = {
  free: { color: '#e9ecef', ansi: 238, letter: '.', meaning: 'nobody has them' },
  used: { color: '#4c78a8', ansi: 67, letter: '#', meaning: 'blocks of files' },
  leased: { color: '#f2a104', ansi: 214, letter: 'L', meaning: 'under a lease: they stay where they are' },
  sealed: { color: '#7a5195', ansi: 97, letter: 'S', meaning: 'of sealed files: immutable' },
  quarantined: { color: '#d62728', ansi: 160, letter: 'Q', meaning: 'a former holder may still reach them' },
  header: { color: '#495057', ansi: 244, letter: 'H', meaning: 'of the volume itself' },
};
