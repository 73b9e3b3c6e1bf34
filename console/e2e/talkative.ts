import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, type Settings } from './server'

const AGENTS = join(import.meta.dirname, '../../config/agents')

/** What the orchestrator says by itself, and a message after which it says it. */
const CASES = {
  greeting: 'hello',
  thanks: 'thank you very much',
  farewell: 'goodbye',
  about: 'what do you do?',
  person: 'I want to speak with an agent',
  vague: 'I need some help',
  out_of_scope: 'tell me a joke',
}
export type Case = keyof typeof CASES

/**
 * A server that says whatever a test wants: an agent may have any text in its file. It comes as every answer does, a delta for each
 * paragraph, from the journal and over the socket.
 */
export class Talkative {
  private constructor(
    readonly server: Server,
    private readonly folder: string,
  ) {}

  static async start(texts: Partial<Record<Case, string>>, settings: NonNullable<Settings['settings']> = {}): Promise<Talkative> {
    const folder = await mkdtemp(join(tmpdir(), 'orchestratai-agents-'))
    await cp(AGENTS, folder, { recursive: true })
    const path = join(folder, 'orchestrator.toml')
    const written = Object.entries(texts).reduce(withText, await readFile(path, 'utf8'))
    await writeFile(path, written)
    return new Talkative(await Server.start({ settings: { ...settings, 'agents.dir': folder } }), folder)
  }

  /** What is to be asked, so that the text of this case is the answer. */
  static question(of: Case): string {
    return CASES[of]
  }

  async stop(): Promise<void> {
    await this.server.stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** The agent's file with another text; what JSON writes as a string TOML reads as one. */
function withText(file: string, [name, text]: [string, string]): string {
  const present = new RegExp(`^${name} = (?:"""[\\s\\S]*?"""|".*")$`, 'm')
  if (!present.test(file)) throw new Error(`the orchestrator has no text ${name}`)
  return file.replace(present, () => `${name} = ${JSON.stringify(text)}`)
}
