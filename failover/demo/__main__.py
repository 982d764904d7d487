"""`python -m failover.demo`: the same as `failoverctl demo`."""

import sys

from failover.demo import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
