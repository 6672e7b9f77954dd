from rqdeps import Dependency, Queue, Retry

from polynomial import DivergedError
from steps import cross_validate, evaluate, make_data, pick_best, save, split, train

GRID = [{"degree": degree, "rate": rate} for degree in (1, 2, 6) for rate in (2.0, 0.5, 0.05)]

q = Queue(url="embedded:./data")
data = q.enqueue(make_data, "work/rentals.csv")
folder = q.enqueue(split, data.output, "work/sets")

# After most errors another attempt can help. Training that diverged would do so again.
patient = q.options(retry=Retry(max=2, interval=1, never_on=DivergedError))
trials = [patient.enqueue(cross_validate, folder.output, **parameters) for parameters in GRID]

best = q.enqueue(
    pick_best,
    GRID,
    [trial.output_or(None) for trial in trials],
    depends_on=Dependency(trials, rule="all_done_min_one_success"),  # some may fail, but not all
)
model = q.enqueue(train, folder.output, best.output)
test_error = q.enqueue(evaluate, folder.output, model.output)
path = q.enqueue(save, "work/model.json", best.output, model.output, test_error.output)

path.wait(timeout=60)
for parameters, trial in zip(GRID, trials, strict=True):
    outcome = f"job {trial.id}, error {trial.result:.1f}" if trial.is_finished else trial.explain()
    print(f"degree {parameters['degree']}, rate {parameters['rate']}: {outcome}")
print(f"best: degree {best.result['degree']}, rate {best.result['rate']}")
print(f"error on the test set: {test_error.result:.1f}")
print(f"model: {path.result}")
