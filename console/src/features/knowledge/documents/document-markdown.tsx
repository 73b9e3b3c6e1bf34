import { Link } from '@tanstack/react-router'
import Markdown, { type Components } from 'react-markdown'
import remarkGfm from 'remark-gfm'

/** Where a link of a document leads: outside by its address; to another document by looking for that. */
const components: Components = {
  h1: ({ children }) => <h2 className="mt-4 mb-2 text-xl font-semibold">{children}</h2>,
  h2: ({ children }) => <h3 className="mt-4 mb-2 text-lg font-semibold">{children}</h3>,
  h3: ({ children }) => <h4 className="mt-3 mb-1.5 text-md font-semibold">{children}</h4>,
  h4: ({ children }) => <h5 className="mt-3 mb-1 font-semibold">{children}</h5>,
  h5: ({ children }) => <h6 className="mt-2 mb-1 font-semibold">{children}</h6>,
  h6: ({ children }) => <p className="mt-2 mb-1 font-semibold">{children}</p>,
  p: ({ children }) => <p className="my-2 first:mt-0 last:mb-0">{children}</p>,
  ul: ({ children }) => <ul className="my-2 list-disc pl-6">{children}</ul>,
  ol: ({ children, start }) => (
    <ol start={start} className="my-2 list-decimal pl-6">
      {children}
    </ol>
  ),
  li: ({ children }) => <li className="my-0.5">{children}</li>,
  blockquote: ({ children }) => <blockquote className="my-2 border-l-2 border-line-strong pl-3 text-muted">{children}</blockquote>,
  pre: ({ children }) => (
    // What is wider than the page is scrolled, by the keyboard too.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <pre tabIndex={0} className="my-2 overflow-auto rounded-control bg-sunken p-3 font-mono text-sm">
      {children}
    </pre>
  ),
  code: ({ children }) => <code className="rounded bg-sunken px-1 py-0.5 font-mono text-sm">{children}</code>,
  table: ({ children }) => (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div tabIndex={0} role="group" className="my-2 overflow-auto">
      <table className="border-collapse text-base">{children}</table>
    </div>
  ),
  th: ({ children }) => <th className="border border-line bg-sunken px-2.5 py-1.5 text-left font-medium">{children}</th>,
  td: ({ children }) => <td className="border border-line px-2.5 py-1.5 align-top">{children}</td>,
  hr: () => <hr className="my-4 border-line" />,
  // The content policy lets in no picture from elsewhere, and the knowledge base has none of its own.
  img: ({ alt }) => (alt ? <span className="text-muted italic">[{alt}]</span> : null),
  a: ({ href, children }) => {
    const className = 'text-accent-text underline underline-offset-2'
    if (href !== undefined && /^(https?|mailto):/.test(href)) {
      return (
        <a href={href} target="_blank" rel="noopener noreferrer" className={className}>
          {children}
        </a>
      )
    }
    const name = href?.split('#')[0]?.split('/').at(-1)
    if (!name) return <>{children}</>
    return (
      <Link to="/knowledge" search={{ query: name }} className={className}>
        {children}
      </Link>
    )
  },
}

export default function DocumentMarkdown({ text }: { text: string }) {
  return (
    <div className="max-w-reading text-md break-words">
      <Markdown remarkPlugins={[remarkGfm]} skipHtml components={components}>
        {text}
      </Markdown>
    </div>
  )
}
