// Runs before the first paint, and is small for that: the console's own scripts come later. A file of its own, since the page lets
// no script run that stands in it, and one whose name never changes, since it looks after those whose names do.
;(() => {
  const { documentElement: root, currentScript: own, head } = document

  // A page of one version that asks a server of another for its scripts is told 404, and would stay as it is for ever. So it is
  // loaded anew: once for each script in a tab. The parts that come later: src/lib/reload-once.ts, under the same key.
  addEventListener(
    'error',
    ({ target }) => {
      if (!(target instanceof HTMLScriptElement)) return
      try {
        const key = `orchestratai.reloaded.${new URL(target.src).pathname}`
        if (sessionStorage.getItem(key) !== null) return
        sessionStorage.setItem(key, '1')
        location.reload()
      } catch {
        // Where the browser keeps nothing, nothing would stop the next time.
      }
    },
    true,
  )

  // Theme and language as they were chosen, so that nothing changes its looks when the console is there: src/lib/preferences.ts
  // does the same, and a test holds one against the other.
  let chosen = {}
  try {
    chosen = JSON.parse(localStorage.getItem('orchestratai.preferences') ?? '{}') ?? {}
  } catch {
    // What cannot be read was not chosen.
  }
  const languages = JSON.parse(own.dataset.languages ?? '{"en":""}')
  const ofBrowser = navigator.languages.map((tag) => tag.toLowerCase().split('-')[0]).find((tag) => tag in languages)
  const language = Object.hasOwn(languages, chosen.language) ? chosen.language : (ofBrowser ?? 'en')
  root.lang = language
  if (chosen.theme === 'light' || chosen.theme === 'dark') root.dataset.theme = chosen.theme
  const isMore = chosen.contrast === 'more' || (chosen.contrast !== 'normal' && matchMedia('(prefers-contrast: more)').matches)
  if (isMore) root.dataset.contrast = 'more'

  // Letters that are here already; at the first visit they come after the page: src/lib/fonts.ts.
  try {
    if (localStorage.getItem('orchestratai.fonts') !== null) root.dataset.fonts = ''
  } catch {
    // Then they come after the page each time.
  }

  // What the console will import as soon as it runs is fetched with it, not after it.
  if (location.pathname === '/') root.dataset.begins = ''
  const isChat = location.pathname === '/' || location.pathname.startsWith('/chat/')
  for (const file of [languages[language], ...(isChat ? JSON.parse(own.dataset.chat) : [])]) {
    head.append(Object.assign(document.createElement('link'), { rel: 'modulepreload', crossOrigin: '', fetchPriority: 'low', href: file }))
  }
})()
