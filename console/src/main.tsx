import { startTransition, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import * as z from 'zod/mini'
import { App, prepare } from '@/app/app'
import { applyPreferences } from '@/lib/preferences'
import '@/styles/index.css'

// Zod would try whether it may compile code, and the content security policy would report the attempt.
z.config({ jitless: true })
applyPreferences(document.documentElement)

const root = document.getElementById('root')
if (!root) throw new Error('index.html has a root')
// Until then the frame stands there that index.html has. A transition is rendered piece by piece, between which a key or a finger
// is heard.
void prepare().then((beginning) =>
  startTransition(() =>
    createRoot(root).render(
      <StrictMode>
        <App {...beginning} />
      </StrictMode>,
    ),
  ),
)
