import { HEADER, replyArea } from './buffers.ts';
import { OPERATIONS } from './catalogue.ts';
import type { Recording } from './recording.ts';
import { Request, type RequestOwner } from './request.ts';
import { traceReply, traceRequest } from './trace.ts';

/** Bytes of a reply that are looked at: all structs are shorter. */
const SHOWN = 1 << 12;

/** The lines of a recording, each with its time in seconds: what a trace would have printed. */
export function* printRecording(recording: Recording): Generator<string> {
  const out = replyArea(SHOWN);
  const owner: RequestOwner = { out, reply: () => {}, parked: () => {} };
  const requests = new Map<number, Request>();
  for (const frame of recording.frames()) {
    if (frame.kind === 'process') continue;
    const time = `${(frame.ms / 1000).toFixed(6).padStart(12)} `;
    if (frame.kind === 'request') {
      const request = new Request(owner, frame.message, true);
      request.load(frame.message.length);
      if (!OPERATIONS[request.opcode]?.silent) requests.set(request.unique, request);
      yield time + traceRequest(request);
      continue;
    }
    const request = requests.get(frame.unique);
    if (request === undefined) continue;
    requests.delete(frame.unique);
    frame.payload.copy(out.bytes, HEADER, 0, SHOWN);
    yield time + traceReply(request, frame.errno, frame.length);
  }
}
