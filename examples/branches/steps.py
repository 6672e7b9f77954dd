def read_numbers(text):
    return [int(word) for word in text.split()]


def add_up(numbers):
    return sum(numbers)


def set_aside(text):
    return text


def archive(text):
    return f"{text!r} is kept, whether it could be read or not"


def tell(total, aside):
    return f"set aside: {aside!r}" if total is None else f"the total is {total}"


def write_letter(asides):
    return f"please correct: {', '.join(text for text in asides if text is not None)}"
