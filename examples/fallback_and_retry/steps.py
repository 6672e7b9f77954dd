from rqdeps import DoNotRetry, Snooze, get_current_job

TODAY = {"USD": 1.10, "JPY": 161.50}
YESTERDAY = {"GBP": 0.85, "ATS": 13.76}


def fetch_rate(currency):
    """In place of a service that fails now and then: here it does so on purpose, for each currency in another way."""
    attempt = get_current_job().attempt
    if currency == "USD" and attempt in (1, 2):
        raise ConnectionError("no answer")  # a retry may help, and does
    if currency == "JPY" and attempt == 1:
        raise Snooze(0.1)  # not published yet, which is no failure: ask again later, without using a retry
    if currency == "GBP":
        raise ConnectionError("still no answer")  # a retry may help, but does not
    if currency == "ATS":
        raise DoNotRetry("not traded any more")  # no retry can help: fail now, whatever is left of them
    return {"rate": TODAY[currency], "source": "of today"}


def rate_of_yesterday(currency):
    """Stands in for fetch_rate once that has failed for good: it takes the same, and returns the same."""
    failed = get_current_job().failed_job
    return {"rate": YESTERDAY[currency], "source": f"of yesterday ({failed.message})"}


def convert(euros, currency, quote):
    return f"{euros} EUR are {euros * quote['rate']:.2f} {currency}, by a rate {quote['source']}"
