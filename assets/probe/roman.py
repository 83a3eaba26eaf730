"""Roman numerals and back."""

VALUES = [
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
    (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
]


def to_roman(number):
    if not 0 < number < 4000:
        raise ValueError("number must be between 1 and 3999")
    result = []
    for value, letters in VALUES:
        count, number = divmod(number, value)
        result.append(letters * count)
    return "".join(result)


def from_roman(text):
    total = 0
    for value, letters in VALUES:
        while text.startswith(letters):
            total += value
            text = text[len(letters):]
    return total
