import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import lighthouse, { type Result } from 'lighthouse'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchBrowser } from './browser'
import { countProcessorTime } from './processor-time'
import { Server } from './server'

const RUNS = 3
const RUNS_MAX = 6
/**
 * Lighthouse measures the processor beside each run: a machine of today that has nothing else to do has 1,800 to 2,500. Below that
 * another process has a part of it. Waits for it are not counted (processor-time.ts), but what others leave of its caches is not enough
 * to judge by.
 */
const QUIET_INDEX = 1_800

/** A port that nobody has: Lighthouse talks to the browser by one, the tests' own library by a pipe. */
async function freePort(): Promise<number> {
  const socket = createServer().listen(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address() as AddressInfo
  socket.close()
  await once(socket, 'close')
  return port
}

function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN
}

/** What was found wanting, for whoever reads the failure. */
function complaints({ audits, categories }: Result, category: string): string[] {
  return (categories[category]?.auditRefs ?? [])
    .filter(({ id, weight }) => weight > 0 && (audits[id]?.score ?? 1) < 1)
    .map(({ id }) => `${id}: ${audits[id]?.displayValue ?? audits[id]?.title ?? ''}`)
}

/** A phone on slow 4G, as Lighthouse reckons it: 150 ms there and back, 1.6 Mbit/s, a processor four times slower than this one. */
describe('Lighthouse on a phone', () => {
  let server: Server
  beforeAll(async () => {
    server = await Server.start()
  })
  afterAll(() => server.stop())

  /**
   * What one run finds; nothing where Lighthouse itself failed, as it does where the browser was kept from working for long. Each has
   * a browser of its own: Lighthouse empties the cache before a run and leaves the storage as it is, so that a second run in the same
   * browser is that of nobody: of somebody who has been here, and has none of the files.
   */
  async function look(path: string, categories: string[]): Promise<Result | undefined> {
    const port = await freePort()
    const [browser, folder] = await Promise.all([launchBrowser([`--remote-debugging-port=${port}`]), mkdtemp(join(tmpdir(), 'lighthouse-'))])
    const flags = { logLevel: 'error', onlyCategories: categories } as const
    try {
      await lighthouse(`${server.url}${path}`, { ...flags, port, gatherMode: folder })
      await countProcessorTime(folder)
      const found = await lighthouse(`${server.url}${path}`, { ...flags, auditMode: folder })
      if (!found) throw new Error('Lighthouse says nothing')
      const { runtimeError } = found.lhr
      if (runtimeError) console.log(`a run that failed: ${runtimeError.code}`)
      return runtimeError ? undefined : found.lhr
    } finally {
      await Promise.all([browser.close(), rm(folder, { recursive: true, force: true })])
    }
  }

  it('finds the first page fast, accessible and sound', async () => {
    const all: Result[] = []
    const isQuiet = ({ environment }: Result) => environment.benchmarkIndex >= QUIET_INDEX
    for (let run = 0; run < RUNS_MAX && all.filter(isQuiet).length < RUNS; run += 1) {
      const found = await look('/', ['performance', 'accessibility', 'best-practices'])
      if (found) all.push(found)
    }
    expect(all.length).toBeGreaterThan(0)
    const quiet = all.filter(isQuiet)
    const isJudged = quiet.length >= RUNS
    const results = isJudged ? quiet : all
    const of = (audit: string) => median(results.map(({ audits }) => audits[audit]?.numericValue ?? Number.NaN))
    const score = (category: string) => median(results.map(({ categories }) => Math.round((categories[category]?.score ?? 0) * 100)))
    const [paint, interactive] = [of('first-contentful-paint'), of('interactive')]
    console.log(
      `${isJudged ? '' : 'the machine is too busy to judge of times: '}performance ${score('performance')}, accessibility ${score('accessibility')}, best practices ${score('best-practices')}; ` +
        `first contentful paint ${paint.toFixed(0)} ms, largest ${of('largest-contentful-paint').toFixed(0)} ms, ` +
        `interactive ${interactive.toFixed(0)} ms, blocked ${of('total-blocking-time').toFixed(0)} ms, shift ${of('cumulative-layout-shift').toFixed(3)}`,
    )
    for (const category of ['accessibility', 'best-practices']) {
      expect(score(category), results.flatMap((result) => complaints(result, category)).join('\n')).toBe(100)
    }
    expect(paint).toBeLessThan(1_000)
    if (!isJudged) return
    expect(score('performance'), results.flatMap((result) => complaints(result, 'performance')).join('\n')).toBeGreaterThanOrEqual(95)
    // What is reached is 100, 0.65 s, and 0.65 s where the first paint is seen before the scripts have come, else 1.8 s.
    expect(interactive).toBeLessThan(2_000)
  }, 300_000)
})
