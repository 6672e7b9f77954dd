from rqdeps import Queue, Retry

from steps import convert, fetch_rate, rate_of_yesterday

q = Queue(url="embedded:./data")

# Up to 3 retries, so 4 attempts at most: about 0.1, 0.2 and 0.4 s apart here, interval="10s" or so in earnest.
# Other errors than this one would only come again: then the job has failed at once.
retry = Retry(max=3, interval=0.1, backoff="exponential", on=ConnectionError)

rates, prices = {}, {}
for currency in ["USD", "JPY", "GBP", "ATS"]:
    rate = q.enqueue(fetch_rate, currency, retry=retry, fallback=rate_of_yesterday)
    # Takes the rate or what stands in for it, whichever it is. Only if both have failed it can't run.
    prices[currency] = q.enqueue(convert, 100, currency, rate.output)
    rates[currency] = rate

for currency, rate in rates.items():
    print(prices[currency].wait(timeout=60))
    print(f"  fetch_rate has {rate.get_status()}; attempts: {rate.attempt}, of which failed: {len(rate.attempts)}")
