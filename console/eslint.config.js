import { readdirSync } from 'node:fs'
import jsxA11y from 'eslint-plugin-jsx-a11y'
import reactHooks from 'eslint-plugin-react-hooks'
import tseslint from 'typescript-eslint'

const features = readdirSync(new URL('./src/features', import.meta.url))

const upwards = (depth) => ({ regex: `^(\\.\\./){${depth},}`, message: 'Beyond its own folder a module is named from @/.' })
const forbid = (files, patterns, ignores = []) => ({
  files,
  ignores,
  rules: { 'no-restricted-imports': ['error', { patterns }] },
})
const never = (regex, message) => ({ regex, message })

/** app → features/<one> → ui, api, lib. Nothing runs back up, and no feature knows another. */
const layers = [
  forbid(['src/lib/**'], [never('^@/(app|features|ui|api)/', 'lib knows nothing of the console.'), never('^(react-dom|@tanstack/)', 'lib is small.')]),
  forbid(['src/api/**'], [never('^@/(app|features|ui)/', 'api knows no component.')]),
  forbid(
    ['src/ui/**'],
    [
      never('^@/(app|features|api)/', 'ui knows no router, no query and no server.'),
      never('^@tanstack/react-(router|query)', 'ui knows no router and no query.'),
    ],
  ),
  ...features.flatMap((feature) => {
    const others = features.filter((other) => other !== feature).join('|')
    const walls = [never('^@/app/', 'A feature does not know who shows it.'), never(`^@/features/(${others})/`, 'No feature knows another.')]
    return [
      forbid([`src/features/${feature}/*`], [...walls, upwards(1)]),
      forbid([`src/features/${feature}/*/**`], [...walls, upwards(2)]),
    ]
  }),
]

export default tseslint.config(
  { ignores: ['dist', 'src/api/generated'] },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-definitions': 'off',
      // What is taken out of an object to leave the rest.
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      'no-restricted-globals': ['error', { name: 'fetch', message: 'Use @/api/http, which parses and knows the token.' }],
    },
  },
  {
    files: ['src/**/*.tsx'],
    ...jsxA11y.flatConfigs.strict,
  },
  {
    files: ['src/**/*.{ts,tsx}'],
    plugins: { 'react-hooks': reactHooks },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: 'Nothing is set as HTML.' },
      ],
    },
  },
  { files: ['src/api/http.ts', 'e2e/**', 'src/**/*.test.*'], rules: { 'no-restricted-globals': 'off' } },
  ...layers,
)
