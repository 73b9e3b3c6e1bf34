import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript'
import { expect, test } from 'vitest'

const generated = (name: string) => readFile(join(import.meta.dirname, '../src/api/generated', name), 'utf8')

test('the types of the REST API are made from the present document', { timeout: 60_000 }, async () => {
  const expected = COMMENT_HEADER + astToString(await openapiTS(await generated('openapi.json')))
  expect((await generated('rest.ts')) === expected, 'rest.ts is stale: npm run generate:rest makes it anew').toBe(true)
})
