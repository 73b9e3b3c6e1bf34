/**
 * `true` where each type is assignable to the other: a schema then says neither more nor less than the generated type. Used as
 * `true satisfies Same<z.infer<typeof Schema>, wire.Type>`, which fails to compile where they differ.
 */
export type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
