from rqdeps import Queue

from steps import check_links, publish, render

URL = "embedded:./data"
LINKS = {"index": ["about", "news"], "about": ["index"], "news": ["index", "about"]}

rendering = Queue("rendering", url=URL)
checking = Queue("checking", url=URL)
publishing = Queue("publishing", url=URL)

# 1. Make the jobs, in whatever order. They are held: saved, each in its queue, but nothing runs.
published = publishing.options(hold=True).enqueue(publish, "site", "site.zip")
checked = checking.options(hold=True).enqueue(check_links, "site")
pages = [rendering.options(hold=True).enqueue(render, "site", name, links) for name, links in LINKS.items()]

# 2. Wire them. They leave files behind and hand no values on, so that no argument says what comes after what.
checked.add_dependency(pages)
published.add_dependency(checked)

# 3. Look at what was made, as long as nothing has happened yet.
for job in [*pages, checked, published]:
    print(f"{job.get_status()} in {job.origin}: {job.description}, after {len(job.dependency_ids)}")

# 4. Release all but the last: all of these together, or none if one of them can't be.
rendering.release_many([*pages, checked])
print("checked:", checked.wait(timeout=60))

# 5. The last waits for a person, or for a program that decides like one. What it depends on has ended by then.
print(published.explain())
published.release()
print("published:", published.wait(timeout=60))
