import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** The console as it was built here, whichever binary serves it. */
const DIST = join(import.meta.dirname, '../dist')

/** A debug build on a busy machine: what takes longer is a hang. */
const PATIENCE_MS = 60_000

/** Names in the environment that the binary reads beside its own. */
const SHARED_NAMES = /^(ORCHESTRATAI__|DATABASE_URL$|REDIS_URL$|CORS_ORIGINS$|OTEL_|OPENAI_|ANTHROPIC_|GEMINI_|OLLAMA_)/

export type Settings = {
  /** Such as `'session.queue_max': '0'`. */
  settings?: Record<string, string>
  arguments?: string[]
}

/** The real binary on a free port, with a folder of its own; and the console, served by it. */
export class Server {
  private child: ChildProcess | undefined
  private apiPort = 0
  private log = ''

  private constructor(
    private readonly folder: string,
    private readonly options: Settings,
  ) {}

  static async start(options: Settings = {}): Promise<Server> {
    const server = new Server(await mkdtemp(join(tmpdir(), 'orchestratai-console-')), options)
    await server.run()
    return server
  }

  /** Where the console is. */
  get url(): string {
    return this.apiUrl
  }

  get apiUrl(): string {
    return `http://127.0.0.1:${this.apiPort}`
  }

  /** Ends it as a crash does: nothing is told to anybody, nothing is written any more. */
  async kill(): Promise<void> {
    await this.end('SIGKILL')
  }

  /** Asks it to stop, and does not wait for the end. */
  askToStop(): void {
    this.child?.kill('SIGTERM')
  }

  /** Starts it again, on the same port and with the same data. */
  async restart(): Promise<void> {
    if (this.child) await this.end('SIGKILL')
    await this.run()
  }

  async stop(): Promise<void> {
    if (this.child) await this.end('SIGKILL')
    await rm(this.folder, { recursive: true, force: true })
  }

  private async run(): Promise<void> {
    const binary = process.env['ORCHESTRATAI_BINARY']
    if (!binary) throw new Error('ORCHESTRATAI_BINARY names the binary to test against, such as target/debug/orchestratai')
    const inherited = Object.entries(process.env).filter(([name]) => !SHARED_NAMES.test(name))
    const given = { 'retrieval.cascade': 'false', 'console.dir': DIST, ...this.options.settings }
    const chosen = Object.entries(given).map(
      ([key, value]) => [`ORCHESTRATAI__${key.replace('.', '__').toUpperCase()}`, value] as const,
    )
    this.log = join(this.folder, 'server.log')
    const child = spawn(
      binary,
      ['serve', '--port', String(this.apiPort), '--data-dir', join(this.folder, 'data'), ...(this.options.arguments ?? [])],
      { env: Object.fromEntries([...inherited, ...chosen, ['NO_COLOR', '1']]), stdio: ['ignore', 'pipe', 'pipe'], cwd: this.folder },
    )
    this.child = child
    child.stderr.pipe(createWriteStream(this.log, { flags: 'a' }))
    const deadline = Date.now() + PATIENCE_MS
    for await (const line of createInterface({ input: child.stdout })) {
      const port = /^listening on http:\/\/.*:(\d+)/.exec(line)?.[1]
      if (port !== undefined) {
        this.apiPort = Number(port)
        break
      }
    }
    child.stdout.resume()
    while (!(await this.isHealthy())) {
      if (child.exitCode !== null || Date.now() > deadline) {
        throw new Error(`The server did not become healthy:\n${await readFile(this.log, 'utf8')}`)
      }
      await sleep(50)
    }
  }

  private async isHealthy(): Promise<boolean> {
    return fetch(`${this.apiUrl}/api/health`).then(
      (response) => response.ok,
      () => false,
    )
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.child
    this.child = undefined
    if (child?.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
}
