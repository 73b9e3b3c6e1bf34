import { use } from 'react'
import ReactMarkdown, { type Components } from 'react-markdown'
import remarkGfm from 'remark-gfm'
import { useTranslations } from 'use-intl'
import { CitationsContext, rehypeCitations } from './citations'
import { CodeBlock } from './code-block'

const REMARK = [remarkGfm]
const REHYPE = [rehypeCitations]

type HastNode = { type: string; value?: string; tagName?: string; properties?: Record<string, unknown>; children?: HastNode[] }

function textOf(node: HastNode | undefined): string {
  return node?.value ?? node?.children?.map(textOf).join('') ?? ''
}

const components = (isOpen: boolean): Components => ({
  pre({ node }) {
    const code = (node as HastNode | undefined)?.children?.find((child) => child.tagName === 'code')
    const classes = code?.properties?.['className']
    const language = Array.isArray(classes)
      ? classes.map(String).find((name) => name.startsWith('language-'))?.slice('language-'.length)
      : undefined
    return <CodeBlock code={textOf(code).replace(/\n$/, '')} language={language} isOpen={isOpen} />
  },
  a({ href, children }) {
    if (href === undefined || !/^(https?:|mailto:|#)/i.test(href)) return <span>{children}</span>
    return (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    )
  },
  img: ({ alt, src }) => <ImageName alt={alt} source={typeof src === 'string' ? src : undefined} />,
  table: ({ children }) => (
    // A wide table scrolls by itself; a keyboard has to reach it for that.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="overflow-x-auto" tabIndex={0} role="group">
      <table>{children}</table>
    </div>
  ),
  span({ node, children }) {
    const index = Number((node as HastNode | undefined)?.properties?.['dataCitation'] ?? Number.NaN)
    return Number.isInteger(index) ? <Citation index={index} /> : <span>{children}</span>
  },
  // Headings of an answer, or of a passage, stand below those of the page, whichever level they begin with.
  h1: ({ children }) => <h3 data-level={1}>{children}</h3>,
  h2: ({ children }) => <h3>{children}</h3>,
  h4: ({ children }) => <h3>{children}</h3>,
  h5: ({ children }) => <h3>{children}</h3>,
  h6: ({ children }) => <h3>{children}</h3>,
})
const OPEN = components(true)
const CLOSED = components(false)

export default function MarkdownBlock({ text, isOpen }: { text: string; isOpen: boolean }) {
  return (
    <ReactMarkdown remarkPlugins={REMARK} rehypePlugins={REHYPE} components={isOpen ? OPEN : CLOSED} skipHtml={false}>
      {text}
    </ReactMarkdown>
  )
}

function Citation({ index }: { index: number }) {
  const { known, onOpen } = use(CitationsContext)
  const t = useTranslations('markdown')
  const source = known?.get(index)
  if (known && source === undefined) return `[${index}]`
  if (source === undefined || !onOpen) return <sup className="citation">{index}</sup>
  return (
    <button
      type="button"
      className="citation"
      aria-label={t('citation', { index, source })}
      title={source}
      onClick={() => onOpen(index)}
    >
      {index}
    </button>
  )
}

/** An image would be fetched from a stranger: its name is shown, and where it is. */
function ImageName({ alt, source }: { alt: string | undefined; source: string | undefined }) {
  const t = useTranslations('markdown')
  const name = t('image', { name: alt === undefined || alt === '' ? (source ?? '') : alt })
  if (source === undefined || !/^https?:/i.test(source)) return <span>{name}</span>
  return (
    <a href={source} target="_blank" rel="noopener noreferrer nofollow">
      {name}
    </a>
  )
}
