import { expect, it } from 'vitest'
import { plainText } from './plain-text'

it.each([
  ['The **Team** plan costs _nine_ dollars. [1][2]', 'The Team plan costs nine dollars.'],
  ['**Wichtig:** Der **Schlüssel**, den…', 'Wichtig: Der Schlüssel, den…'],
  ['a **cut off', 'a cut off'],
  ['see [the guide](https://example.org/a) and [what is cut](https://exa', 'see the guide and what is cut'],
  ['## Plans\n\n- **Free**: 0\n- Team: 9\n\n> said', 'Plans Free: 0 Team: 9 said'],
  ['| a | b |\n|---|:--|\n| 1 | 2 |', 'a b 1 2'],
  ['```sh\nrun `it`\n```', 'run it'],
  ['retry_after is 2*3 and 2 * 3, not ~~4~~', 'retry_after is 2*3 and 2 * 3, not 4'],
  ['', ''],
])('says %j without its marks', (markdown, said) => {
  expect(plainText(markdown)).toBe(said)
})
