"""What hostile servers try: answers without end, without haste, larger than they look, or that lead elsewhere."""

import base64
import gzip
import hashlib
import io
import struct
import time
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from howgreen.core.errors import HowgreenError, ImageError, NetworkError
from howgreen.core.sensors import SENTINEL2
from howgreen.core.types import Asset
from howgreen.imagery.catalog import _items
from howgreen.imagery.read.opener import opened
from howgreen.net import _ranges, http, sparse_file, stac_api
from howgreen.net.endpoints import CATALOGS, Endpoints
from howgreen.net.http import Request, RetryPolicy, is_private
from howgreen.net.stac_api import StacApi
from loopback import Said, catalogue, item, loop

QUICK = RetryPolicy(tries=2, first_wait_s=0.01, attempt_s=0.5, total_s=1.2)
BOX = (14.48, 52.32, 14.52, 52.34)


def slowly(piece, seconds, times=1000):
    for _ in range(times):
        time.sleep(seconds)
        yield piece


def search(url):
    return StacApi(f"{url}/v1").search(["sentinel-2-l2a"], bbox=BOX)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(stac_api, "POLICY", QUICK)


def test_no_service_is_waited_for_longer_than_a_minute():
    """Row 0: pystac-client reset its timeout to none, and a search that never answered hung for ever."""
    assert stac_api.POLICY.total_s <= 60
    assert stac_api.POLICY.attempt_s <= 30


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "body",
    [
        lambda: slowly(b"", 5, times=1),  # row 0: nothing at all
        lambda: slowly(b" ", 0.1),  # row 4: a byte now and then, which no timeout between two reads sees
        lambda: slowly(b" " * 2**16, 0.1),
    ],
    ids=["never", "drips", "slowly"],
)
def test_an_answer_that_does_not_come_is_given_up_in_time(body):
    with loop(catalogue(lambda ask: Said(body()))) as far:
        began = time.monotonic()
        with pytest.raises(NetworkError, match="does not answer in time; try again later"):
            search(far.url)
        assert time.monotonic() - began < QUICK.total_s + 1


@pytest.mark.parametrize("packed", [False, True], ids=["endless", "gzip bomb"])
def test_row_3_an_answer_is_bounded_in_bytes_as_sent_and_unpacked(monkeypatch, packed):
    monkeypatch.setattr(http, "MOST_BYTES", 1 << 20)
    bomb = gzip.compress(b"[" + b" " * (200 << 20))
    assert len(bomb) < 1 << 20
    got = []

    def endless():
        for _ in range(10_000):
            got.append(1)
            yield b" " * 2**16

    said = Said(bomb, headers={"Content-Encoding": "gzip"}) if packed else None
    with (
        loop(lambda ask: said or Said(endless())) as far,
        pytest.raises(NetworkError, match="answers with more than 1 MiB"),
    ):
        http.fetch(Request(url=far.url, most_bytes=http.MOST_BYTES), policy=QUICK, cure="x")
    assert len(got) < 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"features": ' + b"[" * 100_000,
        b"\xff\xfe{}",
        b"",
        b"nan",
        b'"text"',
        b"[1]",
    ],
)
def test_row_11_json_of_strangers_is_one_line(body):
    with loop(catalogue(lambda ask: Said(body))) as far, pytest.raises(NetworkError) as caught:
        search(far.url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", ["abc", "-5", "1e9", "9" * 400, "५"])
def test_row_11_headers_of_strangers_are_one_line(monkeypatch, length):
    monkeypatch.setattr(_ranges, "POLICY", replace(QUICK, total_s=1))
    headers = {
        "Content-Length": length.encode().decode("latin-1"),
        "Content-Range": f"bytes 0-9/{length[:3]}",
        "Connection": "close",
    }
    with loop(lambda ask: Said(b"0123456789", 206, headers)) as far, pytest.raises(NetworkError) as caught:
        _ranges.Ranges(f"{far.url}/x.tif").get(0, 9)
    assert "\n" not in str(caught.value)


def ranged(data, size=None):
    """Hands out ranges of a file that says it is larger than what is given here; the rest is zeros."""
    size = size or len(data)

    def answer(ask):
        first, last = (int(n) for n in ask.headers["Range"].removeprefix("bytes=").split("-"))
        last = min(last, size - 1)
        part = data[first : last + 1]
        part += bytes(last - first + 1 - len(part))
        return Said(part, 206, {"Content-Range": f"bytes {first}-{last}/{size}", "ETag": '"a"'})

    return answer


def read(url):
    with opened(Asset(band="red", href=url)) as image:
        return image.dataset.read(1)


def sent(far):
    return sum(
        b - a + 1 for a, b in (map(int, ask.headers["Range"].removeprefix("bytes=").split("-")) for ask in far.asked)
    )


def test_row_5_a_jpeg_2000_file_of_a_terabyte_is_not_fetched():
    head = bytes.fromhex("0000000c6a5020200d0a870a") + bytes(100)
    with loop(ranged(head, 10**12)) as far:
        with pytest.raises(ImageError, match=r"a JPEG 2000 file of 931 GiB, which would have to come whole"):
            read(f"{far.url}/x.jp2")
        assert sent(far) <= sparse_file.HEAD_BYTES


def test_row_5_a_directory_of_200_million_entries_is_not_fetched():
    head = b"II\x2b\0" + struct.pack("<HHQ", 8, 0, 16) + struct.pack("<Q", 200_000_000)
    with loop(ranged(head, 5 << 30)) as far:
        with pytest.raises(ImageError, match=r"a directory of 200,000,000 tags"):
            read(f"{far.url}/x.tif")
        assert sent(far) < 1 << 20


def test_row_5_many_tags_that_lie_at_one_large_place_are_fetched_once_and_bounded():
    count = 3000
    entries = b"".join(struct.pack("<HHII", 1000 + n, 1, (30 << 20) + n, 1 << 20) for n in range(count))
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", count) + entries + struct.pack("<I", 0)
    with loop(ranged(head, 64 << 20)) as far:
        with pytest.raises(ImageError, match="directories of more than 64 MiB"):
            read(f"{far.url}/x.tif")
        assert sent(far) < 80 << 20


def test_row_5_tiles_that_claim_more_than_the_file_holds_are_an_error():
    memory = io.BytesIO()
    with rasterio.MemoryFile() as file:
        with file.open(driver="GTiff", width=512, height=512, count=1, dtype="uint8", tiled=True, blockxsize=256,
                       blockysize=256, compress="DEFLATE", crs="EPSG:32633", transform=from_origin(0, 0, 10, 10)) as out:  # fmt: skip
            out.write(np.arange(512 * 512, dtype=np.uint8).reshape(1, 512, 512))
        memory = bytearray(file.read())
    with rasterio.MemoryFile(bytes(memory)) as file, file.open() as there:
        size = int(there.get_tag_item("BLOCK_SIZE_0_0", "TIFF", bidx=1))
    at = memory.find(struct.pack("<I", size))
    memory[at : at + 4] = struct.pack("<I", 0x7FFFFFFF)
    with loop(ranged(bytes(memory), 3 << 30)) as far:
        with pytest.raises(ImageError):
            read(f"{far.url}/x.tif")
        assert sent(far) < 2 << 20


PRIVATE = ("http://127.0.0.1/a", "http://169.254.169.254/latest/meta-data", "http://10.1.2.3/a", "http://localhost:80/",
           "http://[::1]/a", "http://2130706433/", "http://0x7f000001/", "http://127.1/", "http://[fd00::1]/",
           "http://metadata.google.internal/", "http://[::ffff:127.0.0.1]/", "http://printer.local/", "http://0/",
           "http://①②⑦.⓪.⓪.①/", "http://１６９.254.169.254/", "http://[64:ff9b::7f00:1]/", "http://[2002:a9fe:a9fe::]/",
           "http://metadata/latest", "http://router.lan/", "http://localhost.localdomain/", "http://224.0.0.1/")  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
def test_row_15_addresses_of_this_network_are_known(url):
    assert is_private(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/",
        "https://8.8.8.8/",
        "https://localhost.example.org/",
        "https://[2600::1]/",
        "https://[2002:808:808::]/",
        "https://例え.テスト/",
        "nonsense",
    ],
)
def test_addresses_of_the_world_are_not_private(url):
    assert not is_private(url)


@pytest.mark.parametrize("href", PRIVATE)
def test_row_15_an_item_of_a_public_catalogue_leads_to_no_private_address(href):
    one = item("2025-06-03")
    for entry in one["assets"].values():
        entry["href"] = href
    assert _items.scene(one, catalog=CATALOGS["earth-search"], sensor=SENTINEL2) is None
    own = Endpoints().catalog("http://127.0.0.1:8/stac")
    assert _items.scene(one, catalog=own, sensor=SENTINEL2) is not None


def test_row_15_a_public_server_sends_no_reader_on_to_a_private_address(monkeypatch):
    """The loopback plays the public server: its own address is not told to be private."""
    with loop(lambda ask: Said(b"", 302, {"Location": "http://169.254.169.254/latest"})) as far:
        known = http.is_private
        monkeypatch.setattr(http, "is_private", lambda url: known(url) and not url.startswith(far.url))
        http.close_sessions()
        for ask in (
            lambda: _ranges.Ranges(f"{far.url}/x.tif").get(0, 9),
            lambda: http.fetch(Request(url=far.url), policy=QUICK, cure="x"),
        ):
            with pytest.raises(
                HowgreenError, match=r"sends on to http://169.254.169.254/latest, an address of this network"
            ):
                ask()
        assert len(far.asked) == 2
        http.close_sessions()


@pytest.mark.parametrize("there", ["/x.tif", "file:///etc/passwd"])
def test_a_file_that_is_sent_on_without_end_is_asked_for_a_few_times_only(there):
    with loop(lambda ask: Said(b"", 302, {"Location": there})) as far:
        with pytest.raises(NetworkError, match="it sends on without end, or to no web address; use another --catalog"):
            _ranges.Ranges(f"{far.url}/x.tif").get(0, 9)
        assert len(far.asked) <= 1 + http.MOST_REDIRECTS
    http.close_sessions()


def jpeg2000(tmp_path):
    values = np.random.default_rng(1).integers(1, 9000, (1, 256, 256)).astype("uint16")
    with rasterio.open(tmp_path / "x.jp2", "w", driver="JP2OpenJPEG", width=256, height=256, count=1, dtype="uint16",
                       crs="EPSG:32633", transform=from_origin(0, 0, 10, 10), QUALITY=100, REVERSIBLE="YES") as out:  # fmt: skip
        out.write(values)
    return bytearray((tmp_path / "x.jp2").read_bytes())


@pytest.mark.parametrize("how", ["item", "azure", "google", "s3", "nobody"])
def test_row_6_a_file_that_comes_whole_is_compared_with_its_checksum(tmp_path, how):
    """A byte that was altered on the way is silent in JPEG 2000: some pixels are others."""
    data = jpeg2000(tmp_path)
    md5, sha256 = hashlib.md5(data).digest(), hashlib.sha256(data).hexdigest()
    stated = {
        "azure": {"x-ms-blob-content-md5": base64.b64encode(md5).decode()},
        "google": {"x-goog-hash": f"crc32c=AAAAAA==, md5={base64.b64encode(md5).decode()}"},
        "s3": {"x-amz-request-id": "1", "ETag": f'"{md5.hex()}"'},
    }.get(how, {})

    def answer(ask):
        said = ranged(bytes(data))(ask)
        return replace(said, headers=said.headers | stated)

    asset = {"band": "red", "sha256": sha256 if how == "item" else None}
    with loop(answer) as far:
        with opened(Asset(href=f"{far.url}/x.jp2", **asset)) as image:
            good = image.dataset.read(1)
        data[len(data) // 2] ^= 0x55
        if how == "nobody":  # what cannot be known
            with opened(Asset(href=f"{far.url}/x.jp2", **asset)) as image:
                assert (image.dataset.read(1) != good).any()
            return
        with (
            pytest.raises(ImageError, match=r"its bytes are not those that its (item|server) states the checksum of"),
            opened(Asset(href=f"{far.url}/x.jp2", **asset)),
        ):
            pass


@pytest.mark.parametrize(
    "etag", ['W/"d41d8cd98f00b204e9800998ecf8427e"', '"d41d8cd98f00b204e9800998ecf8427e-3"', '"abc"']
)
def test_an_etag_that_is_no_md5_is_none(etag):
    assert _ranges._md5_of_whole({"x-amz-request-id": "1", "ETag": etag}) == b""
    own_key = {"x-amz-request-id": "1", "ETag": '"d41d8cd98f00b204e9800998ecf8427e"'}
    assert len(_ranges._md5_of_whole(own_key)) == 16
    assert _ranges._md5_of_whole(own_key | {"x-amz-server-side-encryption": "aws:kms"}) == b""
    assert _ranges._md5_of_whole({"ETag": own_key["ETag"]}) == b""
    assert _ranges._md5_of_whole({"x-goog-hash": "md5=***"}) == b""


def test_a_key_does_not_go_on_to_another_server():
    keys = []
    with loop(lambda ask: Said({})) as other:

        def answer(ask):
            keys.append(ask.headers.get("Key"))
            return Said(b"", 307, {"Location": f"{ask.url}/on" if ask.path == "/" else f"{other.url}/there"})

        with loop(answer) as far:
            http.fetch(Request(url=f"{far.url}/", headers={"Key": "mine"}), policy=QUICK, cure="x")
        assert keys == ["mine", "mine"]
        assert other.asked[0].headers.get("Key") is None
