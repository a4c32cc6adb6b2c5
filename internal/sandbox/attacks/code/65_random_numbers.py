# row: 65
# tries: to know the random numbers of another session, as all are copies of one process.
# lines: 16
# distinct: yes
import random
import secrets
import ssl
import tempfile
import uuid
say("own", "random", random.random(), random.randbytes(8).hex())
say("own", "ssl", ssl.RAND_bytes(16).hex())
say("own", "secrets", secrets.token_hex())
say("own", "uuid4", uuid.uuid4())
say("own", "uuid1", uuid.uuid1())
say("own", "node", hex(uuid.getnode()))
say("own", "tempfile", tempfile.mkdtemp())
say("own", "numpy", *__import__("numpy").random.rand(2)) if "numpy" in sys.modules else say("own", "urandom", os.urandom(8).hex())
# ==== session: second
import random
import secrets
import ssl
import tempfile
import uuid
say("own", "random", random.random(), random.randbytes(8).hex())
say("own", "ssl", ssl.RAND_bytes(16).hex())
say("own", "secrets", secrets.token_hex())
say("own", "uuid4", uuid.uuid4())
say("own", "uuid1", uuid.uuid1())
say("own", "node", hex(uuid.getnode()))
say("own", "tempfile", tempfile.mkdtemp())
say("own", "numpy", *__import__("numpy").random.rand(2)) if "numpy" in sys.modules else say("own", "urandom", os.urandom(8).hex())
