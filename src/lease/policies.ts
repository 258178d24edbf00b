export type Policy = 'strict' | 'map-direct-v7' | 'chinner-2019';
