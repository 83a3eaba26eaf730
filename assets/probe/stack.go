package stack

import "errors"

// ErrEmpty is returned when nothing is left to pop.
var ErrEmpty = errors.New("stack is empty")

// Stack is a last-in, first-out list.
type Stack[T any] struct {
	items []T
}

// Push puts an item on top.
func (s *Stack[T]) Push(item T) {
	s.items = append(s.items, item)
}

// Pop takes the top item off.
func (s *Stack[T]) Pop() (T, error) {
	var zero T
	if len(s.items) == 0 {
		return zero, ErrEmpty
	}
	last := len(s.items) - 1
	item := s.items[last]
	s.items = s.items[:last]
	return item, nil
}

// Len returns the number of items.
func (s *Stack[T]) Len() int {
	return len(s.items)
}
