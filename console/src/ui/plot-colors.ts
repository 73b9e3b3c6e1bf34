export type PlotColor = 'first' | 'second' | 'third' | 'fourth' | 'danger'

/** What a canvas needs of the tokens, as colours that it understands. */
export type PlotColors = Record<PlotColor, { line: string; area: string }> & { text: string; grid: string }

/**
 * The tokens as they are just now on `host`. A canvas knows no custom property and no `light-dark()`, so each is tried on an
 * element, which resolves it.
 */
export function readPlotColors(host: HTMLElement): PlotColors {
  const probe = document.createElement('span')
  probe.hidden = true
  host.append(probe)
  const resolve = (color: string) => {
    probe.style.color = color
    return getComputedStyle(probe).color
  }
  const both = (name: PlotColor) => ({
    line: resolve(`var(--plot-${name})`),
    area: resolve(`color-mix(in oklab, var(--plot-${name}) 12%, transparent)`),
  })
  const colors: PlotColors = {
    first: both('first'),
    second: both('second'),
    third: both('third'),
    fourth: both('fourth'),
    danger: both('danger'),
    text: resolve('var(--text-faint)'),
    grid: resolve('var(--line)'),
  }
  probe.remove()
  return colors
}

/** Calls `changed` whenever the tokens may have other values: another theme, another contrast, the system's or a chosen one. */
export function onThemeChange(changed: () => void): () => void {
  const scheme = window.matchMedia('(prefers-color-scheme: dark)')
  const observer = new MutationObserver(changed)
  observer.observe(document.documentElement, { attributeFilter: ['data-theme', 'data-contrast'] })
  scheme.addEventListener('change', changed)
  return () => {
    observer.disconnect()
    scheme.removeEventListener('change', changed)
  }
}
