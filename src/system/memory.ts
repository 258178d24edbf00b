import koffi from 'koffi';

const cMemset = koffi.load(null).func('memset', 'uintptr_t', ['uintptr_t', 'int', 'size_t']);

/** Zeros `length` bytes of memory at an address. */
export function zeroMemory(address: number, length: number): void {
  cMemset(address, 0, length);
}
