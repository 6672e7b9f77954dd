"""What is not allowed to run."""


def run():
    return "outside"


class Callable:
    def __call__(self):
        return "outside"

    @classmethod
    def of_class(cls):
        return "outside"


class Meta(type):
    def __call__(cls):
        return "outside"
