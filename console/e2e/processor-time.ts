import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

type TraceEvent = { name: string; ph: string; pid: number; tid: number; ts: number; dur?: number; tdur?: number }

/** Moments of the page, which stand as they were: they say what had come before them, not how long anything took. */
const MOMENT = /navigationStart|Paint$|Candidate|EventEnd|domContentLoaded/i

/**
 * Has Lighthouse count tasks by the time that they had of the processor: on a machine that others use, a task of 5 ms by that may last
 * 50 by the clock, and Lighthouse takes it four times. Changes the trace that it has gathered into `folder`: each task is as long as
 * its processor time, and what happened in it is moved together with it.
 */
export async function countProcessorTime(folder: string): Promise<void> {
  const path = join(folder, 'defaultPass.trace.json')
  const trace = JSON.parse(await readFile(path, 'utf8')) as { traceEvents: TraceEvent[] }
  const threads = new Map<string, TraceEvent[]>()
  for (const event of trace.traceEvents) {
    const thread = `${event.pid}:${event.tid}`
    const events = threads.get(thread)
    if (events) events.push(event)
    else threads.set(thread, [event])
  }
  for (const events of threads.values()) {
    events.sort((one, other) => one.ts - other.ts || (other.dur ?? 0) - (one.dur ?? 0))
    let task = { from: 0, to: 0, share: 1 }
    for (const event of events) {
      const { name, ph, ts, dur = 0, tdur = dur } = event
      if (name === 'RunTask' && ph === 'X' && dur > 0 && ts >= task.to) {
        task = { from: ts, to: ts + dur, share: Math.min(1, Math.max(1, tdur) / dur) }
      } else if (ts >= task.to || ph === 'M' || MOMENT.test(name)) {
        continue
      }
      event.ts = task.from + Math.floor((ts - task.from) * task.share)
      if (event.dur !== undefined) event.dur = Math.max(1, Math.floor(dur * task.share))
    }
  }
  await writeFile(path, JSON.stringify(trace))
}
