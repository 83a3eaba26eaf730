export type Result<T, E = Error> =
  | { ok: true; value: T }
  | { ok: false; error: E };

export function success<T>(value: T): Result<T, never> {
  return { ok: true, value };
}

export function failure<E>(error: E): Result<never, E> {
  return { ok: false, error };
}

export function map<T, U, E>(result: Result<T, E>, change: (value: T) => U): Result<U, E> {
  return result.ok ? success(change(result.value)) : result;
}

export function parseNumber(text: string): Result<number, string> {
  const value = Number(text.trim());
  if (text.trim() === "" || Number.isNaN(value)) {
    return failure(`"${text}" is not a number`);
  }
  return success(value);
}
