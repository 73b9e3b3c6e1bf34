import { Background, Controls, Handle, Position, ReactFlow, type Edge, type Node, type NodeProps } from '@xyflow/react'
import { useMemo } from 'react'
import { useTranslations } from 'use-intl'
import type { Agent, Intent, LogType } from '@/api/generated/wire'
import type { Turn } from '@/api/socket/view'
import { classNames } from '@/lib/class-names'
import { plainText } from '@/lib/plain-text'
import { StepIcon } from './step-icon'
import { agentOfStep } from './steps'
import '@xyflow/react/dist/base.css'

type Data = { title: string; detail: string; icon?: LogType; color?: string | undefined; status?: string }
type TurnNode = Node<Data, 'turn'>
type Words = { question: string; answer: string; agent: string; types: Record<LogType, string>; intent: (of: Intent) => string }

/** Known beforehand, so that nothing has to be measured before it is shown. */
const WIDTH = 240
const HEIGHT = 64
/** From agent to agent, side by side, and from step to step, downwards: as a phone is held, and as a log is read. */
const LANE = 264
const STEP = 88

/** How a message became an answer: the question, the agents, their steps in order, and where they come together. */
export default function TurnGraph({ turn, agents }: { turn: Turn; agents: readonly Agent[] }) {
  const t = useTranslations('log')
  const { nodes, edges } = useMemo(
    () => {
      const types = {
        routing: t('types.routing'),
        vector_search: t('types.vector_search'),
        cache: t('types.cache'),
        documents: t('types.documents'),
      }
      const intent = (of: Intent) => t(`intents.${of}`)
      return graphOf(turn, agents, { question: t('question'), answer: t('answering'), agent: t('agent'), types, intent })
    },
    [turn, agents, t],
  )
  return (
    <div className="h-[68vh] min-h-80 rounded-card border border-line bg-canvas" role="group" aria-label={t('graphLabel')}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        fitView
        fitViewOptions={{ padding: 0.06, maxZoom: 1 }}
        minZoom={0.2}
        nodesDraggable={false}
        nodesConnectable={false}
        proOptions={{ hideAttribution: true }}
      >
        <Background gap={20} />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  )
}

function graphOf(turn: Turn, agents: readonly Agent[], words: Words) {
  const byId = new Map(agents.map((agent) => [agent.id, agent]))
  const nodes: TurnNode[] = []
  const edges: Edge[] = []
  const add = (id: string, row: number, lane: number, data: Data) =>
    nodes.push({ id, type: 'turn', position: { x: lane * LANE, y: row * STEP }, width: WIDTH, height: HEIGHT, data })
  const join = (source: string, target: string) =>
    edges.push({ id: `${source}-${target}`, source, target, animated: turn.outcome === undefined })

  const byAgent = new Map<string, typeof turn.steps[number][]>()
  const routing = turn.steps.filter((step) => step.log.type === 'routing' && step.log.agent === undefined)
  for (const step of turn.steps) {
    if (routing.includes(step)) continue
    const agent = agentOfStep(turn, step) ?? 'orchestrator'
    byAgent.set(agent, [...(byAgent.get(agent) ?? []), step])
  }
  for (const note of turn.notes) {
    const isAtWork = note.type === 'agent_status' && note.data.status === 'active'
    if (isAtWork && !byAgent.has(note.data.agent) && note.data.agent !== 'orchestrator') byAgent.set(note.data.agent, [])
  }
  const lanes = [...byAgent]
  const middle = Math.max(0, (lanes.length - 1) / 2)
  add('question', 0, middle, { title: words.question, detail: turn.question?.content.slice(0, 120) ?? '' })
  let last = 'question'
  routing.forEach((step, index) => {
    add(step.log.id, 1 + index, middle, { title: step.log.title, detail: step.log.type === 'routing' ? words.intent(step.log.data.intent) : '', icon: step.log.type, color: byId.get('orchestrator')?.color, status: step.log.status })
    join(last, step.log.id)
    last = step.log.id
  })
  const row = 1 + routing.length
  const longest = Math.max(0, ...lanes.map(([, steps]) => steps.length))
  const ends: string[] = []
  lanes.forEach(([id, steps], lane) => {
    const agent = byId.get(id)
    const node = `agent-${id}`
    add(node, row, lane, { title: agent?.name ?? id, detail: agent?.strategy ?? words.agent, color: agent?.color })
    join(last, node)
    let before = node
    steps.forEach(({ log }, index) => {
      add(log.id, row + 1 + index, lane, { title: log.title, detail: words.types[log.type], icon: log.type, color: agent?.color, status: log.status })
      join(before, log.id)
      before = log.id
    })
    ends.push(before)
  })
  const outcome = turn.outcome
  const detail = outcome?.kind === 'failed' ? outcome.error.code : plainText(turn.answer?.content.slice(0, 240) ?? '').slice(0, 120)
  add('answer', row + 1 + longest, middle, {
    title: words.answer,
    detail,
    status: outcome?.kind === 'failed' ? 'error' : outcome?.kind === 'cancelled' ? 'warning' : 'success',
  })
  for (const end of ends.length > 0 ? ends : [last]) join(end, 'answer')
  return { nodes, edges }
}

function TurnNodeCard({ data }: NodeProps<TurnNode>) {
  return (
    <div
      data-color={data.color}
      className={classNames(
        'h-full w-full overflow-hidden rounded-control border bg-raised px-2.5 py-1.5 text-left text-xs shadow-card',
        data.status === 'error' ? 'border-danger' : data.status === 'warning' ? 'border-warning-solid' : 'border-line-strong',
      )}
    >
      <Handle type="target" position={Position.Top} isConnectable={false} className="opacity-0" />
      <p className="flex items-center gap-1.5 font-medium text-text">
        {data.icon && (
          <span className="text-agent">
            <StepIcon type={data.icon} size={14} />
          </span>
        )}
        {!data.icon && data.color !== undefined && <span aria-hidden className="size-2 shrink-0 rounded-full bg-agent-solid" />}
        <span className="truncate">{data.title}</span>
      </p>
      <p dir="auto" className="line-clamp-2 text-muted [unicode-bidi:isolate]">
        {data.detail}
      </p>
      <Handle type="source" position={Position.Bottom} isConnectable={false} className="opacity-0" />
    </div>
  )
}

const NODE_TYPES = { turn: TurnNodeCard }
