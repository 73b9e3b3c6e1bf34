/** Steps, not a formula: what somebody waits for is decided here, not computed. */
const STEPS_MS = [200, 500, 1_000, 2_000, 4_000, 8_000, 15_000]

/**
 * How long to wait before the attempt after `failures` failed ones. `random` in 0 to 1 spreads the clients of a server that
 * went away over half of the step.
 */
export function backoffMs(failures: number, random: number): number {
  const step = STEPS_MS[Math.min(failures, STEPS_MS.length) - 1] ?? 0
  return Math.round(step * (0.75 + 0.5 * random))
}
