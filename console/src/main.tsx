import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import * as z from 'zod/mini'
import { App } from '@/app/app'
import { applyPreferences } from '@/lib/preferences'
import '@/styles/index.css'

// Zod would try whether it may compile code, and the content security policy would report the attempt.
z.config({ jitless: true })
applyPreferences(document.documentElement)

const root = document.getElementById('root')
if (!root) throw new Error('index.html has a root')
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
