/** Making a volume, for `mkfs` and `start`. SQLite is loaded here and not before. */
export interface MakeOptions {
  /** Bytes; undefined: the length that the device has. */
  size: number | undefined;
  /** Bytes. */
  blockSize: number;
  label: string;
  force: boolean;
}

export interface Made {
  image: string;
  size: number;
  blockSize: number;
  uuid: string;
}

/** @throws VolumeError */
export async function makeVolume(image: string, options: MakeOptions): Promise<Made> {
  const { Volume } = await import('../volume/volume.ts');
  const { size, ...rest } = options;
  const made = Volume.make(image, { ...rest, ...(size !== undefined && { size }) });
  return { image, size: made.size, blockSize: made.blockSize, uuid: made.uuid };
}
