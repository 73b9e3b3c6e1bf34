import { Link } from '@tanstack/react-router'
import { ChevronRight } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import type { AgentDefinition } from '@/api/schemas/agents'
import { Badge } from '@/ui/badge'
import { Card, CardHeader } from '@/ui/card'
import { useFigures } from '@/ui/figures'

/** Its settings as they are served: what stands in its file. */
export function DefinitionView({ definition }: { definition: AgentDefinition }) {
  const t = useTranslations('agents.settings')
  const s = useTranslations('agents.strategies')
  const figures = useFigures()
  const { limits } = definition
  return (
    <div className="grid items-start gap-4 lg:grid-cols-2">
      <Card>
        <CardHeader title={t('answering')} />
        <dl className="px-4 pb-3">
          <Row name={t('strategy')}>{s(definition.strategy)}</Row>
          {definition.complexStrategy && <Row name={t('complexStrategy')}>{s(definition.complexStrategy)}</Row>}
          <Row name={t('model')}>
            <code className="font-mono text-sm">{definition.model}</code>
          </Row>
          <Row name={t('collections')}>
            <List values={definition.collections} none={t('none')}>
              {(name) => (
                <Link to="/knowledge" search={{ collection: name }} className="rounded-full hover:underline">
                  <Badge tone="accent">{name}</Badge>
                </Link>
              )}
            </List>
          </Row>
          {definition.filter.map(({ field, values }) => (
            <Row key={field} name={t('filter', { field })}>
              <List values={values} none={t('filterNone')} />
            </Row>
          ))}
          {definition.blockedTopics && (
            <Row name={t('blockedTopics')}>
              <List values={definition.blockedTopics.map(({ name }) => name)} none={t('none')} />
            </Row>
          )}
          <Row name={t('tools')}>
            <List values={definition.tools} none={t('none')} />
          </Row>
          {(['fallbacks', 'handOffs', 'agents'] as const).map((key) => (
            <Row key={key} name={t(key)}>
              <List values={definition[key]} none={t('none')}>
                {(id) => (
                  <Link to="/agents/$agentId" params={{ agentId: id }} className="rounded-full hover:underline">
                    <Badge tone="accent">{id}</Badge>
                  </Link>
                )}
              </List>
            </Row>
          ))}
        </dl>
      </Card>
      <Card>
        <CardHeader title={t('limits')} description={t('limitsHint')} />
        <dl className="px-4 pb-3">
          <Row name={t('concurrency')}>{figures.count(limits.concurrencyTurns)}</Row>
          <Row name={t('queue')}>{figures.count(limits.queueTurns)}</Row>
          <Row name={t('timeout')}>{figures.duration(limits.timeoutSeconds * 1000)}</Row>
          <Row name={t('answerCharacters')}>{figures.count(limits.answerCharacters)}</Row>
          <Row name={t('version')}>
            <code className="font-mono text-sm">{definition.version}</code>
          </Row>
        </dl>
      </Card>
      <Card className="lg:col-span-2">
        <CardHeader title={t('prompt')} description={t('promptHint')} />
        <p className="max-w-reading px-4 pb-4 break-words whitespace-pre-wrap">{definition.prompt.trim()}</p>
      </Card>
      {definition.direct && (
        <Card className="lg:col-span-2">
          <CardHeader title={t('direct')} description={t('directHint')} />
          <dl className="px-4 pb-3">
            {Object.entries(definition.direct).map(([name, text]) => (
              <Row key={name} name={t.has(`cases.${name}` as 'cases.greeting') ? t(`cases.${name}` as 'cases.greeting') : name}>
                <span className="break-words whitespace-pre-wrap">{text.trim()}</span>
              </Row>
            ))}
          </dl>
        </Card>
      )}
      <Card className="lg:col-span-2">
        <CardHeader title={t('routing')} description={t('routingHint')} />
        <div className="flex flex-col gap-1 px-4 pb-4">
          <Fold title={t('keywords', { count: definition.keywords.length })} isEmpty={definition.keywords.length === 0}>
            <List values={definition.keywords} none={t('none')} />
          </Fold>
          {definition.examples.map((group, at) => (
            <Fold
              key={at}
              title={t('examples', {
                intent: t.has(`intents.${group.intent}` as 'intents.simple_chat') ? t(`intents.${group.intent}` as 'intents.simple_chat') : group.intent,
                count: group.texts.length,
              })}
              more={group.case}
              isEmpty={group.texts.length === 0}
            >
              <ul className="columns-1 gap-8 sm:columns-2">
                {group.texts.map((text) => (
                  <li key={text} className="break-inside-avoid py-0.5 text-muted">
                    {text}
                  </li>
                ))}
              </ul>
            </Fold>
          ))}
        </div>
      </Card>
    </div>
  )
}

function Row({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="grid grid-cols-1 gap-x-4 border-t border-line py-2 first:border-t-0 sm:grid-cols-[11rem_minmax(0,1fr)]">
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0">{children}</dd>
    </div>
  )
}

function List({ values, none, children }: { values: string[]; none: string; children?: (value: string) => ReactNode }) {
  if (values.length === 0) return <span className="text-muted">{none}</span>
  return (
    <ul className="flex flex-wrap gap-1.5">
      {values.map((value) => (
        <li key={value} className="max-w-full">
          {children ? children(value) : <Badge>{value}</Badge>}
        </li>
      ))}
    </ul>
  )
}

function Fold({ title, more, isEmpty, children }: { title: string; more?: string | undefined; isEmpty: boolean; children: ReactNode }) {
  if (isEmpty) return null
  return (
    <details className="group border-t border-line py-1 first:border-t-0">
      <summary className="flex min-h-8 list-none items-center gap-2 rounded-control font-medium">
        <ChevronRight aria-hidden size={16} className="shrink-0 text-muted transition-transform group-open:rotate-90" />
        {title}
        {more !== undefined && <Badge>{more}</Badge>}
      </summary>
      <div className="pt-1 pb-3 pl-6">{children}</div>
    </details>
  )
}
