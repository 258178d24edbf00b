import koffi from 'koffi';

/** Kept, so that nothing is unloaded. */
const loaded: unknown[] = [];

/**
 * Loads a shared library by its path; others of this process that need its name (soname) then find it loaded.
 * @throws Error of the loader
 */
export function loadLibrary(path: string): void {
  loaded.push(koffi.load(path));
}
