import React, { useCallback, useEffect, useState } from "react";

interface CounterProps {
  label: string;
  initial?: number;
  onChange?: (value: number) => void;
}

export function Counter({ label, initial = 0, onChange }: CounterProps) {
  const [count, setCount] = useState(initial);

  useEffect(() => {
    onChange?.(count);
  }, [count, onChange]);

  const increase = useCallback(() => setCount((value) => value + 1), []);
  const reset = useCallback(() => setCount(initial), [initial]);

  return (
    <div className="counter">
      <span>{label}: {count}</span>
      <button onClick={increase}>More</button>
      <button onClick={reset} disabled={count === initial}>Reset</button>
    </div>
  );
}
