import re
import zipfile
from pathlib import Path


def render(site, name, links):
    page = Path(site, f"{name}.html")
    page.parent.mkdir(exist_ok=True)
    items = "".join(f'<li><a href="{link}.html">{link}</a></li>' for link in links)
    page.write_text(f"<h1>{name}</h1><ul>{items}</ul>")


def check_links(site):
    links = [link for page in Path(site).glob("*.html") for link in re.findall('href="(.*?)"', page.read_text())]
    broken = [link for link in links if not Path(site, link).exists()]
    if broken:
        raise ValueError(f"links that lead nowhere: {', '.join(broken)}")
    return f"{len(links)} links, none is broken"


def publish(site, archive):
    with zipfile.ZipFile(archive, "w") as file:
        for page in sorted(Path(site).glob("*.html")):
            file.write(page, page.name)
        return f"{archive} with {', '.join(file.namelist())}"
