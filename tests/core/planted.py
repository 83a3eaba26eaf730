"""Made-up secrets of many kinds in code of several languages, drawn by lot when asked for.

The bodies are put together at run time, so that no scanner takes this repository for a leak.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
BASE32 = string.ascii_uppercase + "234567"
URL64 = ALNUM + "-_"


@dataclass(frozen=True)
class Planted:
    """One secret in a file: the text holds it word for word."""

    kind: str
    path: str
    text: str
    secret: str


class Lot:
    """Draws bodies of keys, always the same ones for a seed."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def draw(self, count: int, letters: str = ALNUM) -> str:
        return "".join(self.random.choices(letters, k=count))

    def base64(self, count: int) -> str:
        return base64.b64encode(self.random.randbytes(count)).decode()

    def password(self, count: int = 14) -> str:
        body = self.draw(count - 4, ALNUM + "!#%*+-_")
        return "".join(self.random.sample(body + "k7W2", count))

    def jwt(self) -> str:
        parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": self.draw(8), "iat": 1700000000}]
        encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode() for p in parts]
        return ".".join([*(part.rstrip("=") for part in encoded), self.draw(43, URL64)])

    def pem(self) -> str:
        body = self.base64(1190)
        return "\n".join(["MIIEpQIBAAKCAQEA" + body[:48], *_cut(body[48:], 64)])


def _cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


SECRETS: dict[str, Callable[[Lot], str]] = {
    "aws id": lambda lot: "AKI" + "A" + lot.draw(16, BASE32),
    "aws secret": lambda lot: lot.draw(40, ALNUM + "/+"),
    "github": lambda lot: "ghp" + "_" + lot.draw(36),
    "github fine": lambda lot: "github" + "_pat_" + lot.draw(22) + "_" + lot.draw(59),
    "gitlab": lambda lot: "glp" + "at-" + lot.draw(20, URL64),
    "slack bot": lambda lot: (
        f"xo{'xb'}-{lot.draw(12, '123456789')}-{lot.draw(13, '123456789')}-" + lot.draw(24)
    ),
    "slack hook": lambda lot: f"T{lot.draw(10, BASE32)}/B{lot.draw(10, BASE32)}/{lot.draw(24)}",
    "google": lambda lot: "AI" + "za" + lot.draw(35, URL64),
    "google oauth": lambda lot: "GOC" + "SPX-" + lot.draw(28, URL64),
    "stripe": lambda lot: "sk" + "_live_" + lot.draw(24),
    "twilio": lambda lot: "S" + "K" + lot.draw(32, HEX),
    "sendgrid": lambda lot: f"S{'G'}.{lot.draw(22, URL64)}.{lot.draw(43, URL64)}",
    "openai": lambda lot: f"sk-{'proj'}-{lot.draw(74, URL64)}T3Blbk" + "FJ" + lot.draw(74, URL64),
    "anthropic": lambda lot: "sk-an" + "t-api03-" + lot.draw(93, URL64) + "AA",
    "hugging face": lambda lot: "h" + "f_" + lot.draw(34, string.ascii_letters),
    "npm": lambda lot: "np" + "m_" + lot.draw(36),
    "pypi": lambda lot: "pypi-" + "AgEIcHlwaS5vcmc" + lot.draw(80, URL64),
    "jwt": lambda lot: lot.jwt(),
    "private key": lambda lot: lot.pem(),
    "azure account": lambda lot: lot.base64(64),
    "telegram": lambda lot: lot.draw(10, "123456789") + ":A" + "A" + lot.draw(33, URL64),
    "discord": lambda lot: f"MT{lot.draw(22)}.G{lot.draw(5)}.{lot.draw(38, URL64)}",
    "digital ocean": lambda lot: "dop" + "_v1_" + lot.draw(64, HEX),
    "databricks": lambda lot: "dap" + "i" + lot.draw(32, HEX),
    "shopify": lambda lot: "shp" + "at_" + lot.draw(32, HEX),
    "vault": lambda lot: "hv" + "s." + lot.draw(95, URL64),
    "hex key": lambda lot: lot.draw(32, HEX),
    "base64 token": lambda lot: lot.base64(30),
    "password": lambda lot: lot.password(),
    "url password": lambda lot: lot.draw(12) + "9k",
    "connection string": lambda lot: lot.password(),
    "environment": lambda lot: lot.draw(32),
    "bearer": lambda lot: lot.draw(40),
}
FRAMES: dict[str, list[tuple[str, str]]] = {  # kind -> (file ending, code); others take `COMMON`
    "aws id": [("py", 'client = boto("{}")'), ("tf", 'access_key = "{}"')],
    "aws secret": [
        ("py", 'aws_secret_access_key="{}"'),
        ("sh", "export AWS_SECRET_ACCESS_KEY={}"),
        ("rb", "Aws.config.update(secret_access_key: '{}')"),
    ],
    "slack hook": [("js", 'post("https://hooks.slack.com/services/{}", body);')],
    "private key": [
        (
            "py",
            'KEY = """-----BEGIN RSA ' + 'PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----"""',
        ),
        ("go", "var key = `-----BEGIN EC " + "PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----`"),
    ],
    "azure account": [
        ("cs", 'var c = "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={};";'),
        ("py", 'CONNECTION = "AccountName=shop;AccountKey={}"'),
    ],
    "discord": [("py", 'discord_client.run("{}")'), ("js", 'discord.login("{}");')],
    "hex key": [("py", 'api_key = "{}"'), ("java", 'String apiKey = "{}";')],
    "base64 token": [("go", 'accessToken := "{}"'), ("php", "$config['secret_key'] = '{}';")],
    "password": [
        ("py", 'connect(host="db", password="{}")'),
        ("ts", 'const dbPassword: string = "{}";'),
        ("kt", 'val password = "{}"'),
        ("sql", "CREATE USER shop IDENTIFIED BY '{}';"),
    ],
    "url password": [
        ("py", 'engine("postgresql://shop:{}@db.internal:5432/shop")'),
        ("js", 'connect("amqp://worker:{}@queue.internal");'),
        ("rs", 'let url = "redis://:{}@cache.internal:6379";'),
    ],
    "connection string": [("cs", 'var c = "Server=db;User Id=shop;Password={};Encrypt=True";')],
    "environment": [("sh", "export SERVICE_TOKEN={}"), ("Dockerfile", "ENV API_KEY={}")],
    "bearer": [("py", 'headers = {{"Authorization": "Bearer {}"}}')],
}
COMMON = [
    ("py", 'client = Client("{}")'),
    ("js", 'const client = new Client("{}");'),
    ("go", 'client := service.New("{}")'),
    ("java", 'Client client = new Client("{}");'),
]
AROUND = {
    "py": ("import os\n\n\ndef run(value):\n    return value + 1\n\n\n", "\n\nprint(run(2))\n"),
    "sh": ("#!/bin/sh\nset -e\n", "\necho done\n"),
}
ELSE = ("// the service's settings\n\n", "\n\n// end\n")


def planted(each: int = 4) -> Iterator[Planted]:
    """Yield `each` secrets of every kind, in turn through the ways to write them."""
    for kind, make in SECRETS.items():
        frames = FRAMES.get(kind, COMMON)
        for number in range(each):
            ending, frame = frames[number % len(frames)]
            secret = make(Lot(f"{kind}:{number}"))
            before, after = AROUND.get(ending, ELSE)
            text = before + frame.format(secret) + after
            yield Planted(kind, f"{kind.replace(' ', '_')}_{number}.{ending}", text, secret)
