// SPDX-License-Identifier: GPL-2.0-only
/* lioctl 'COMMANDS': what lio.h offers, for the tests that are scripts. */

#include <stdio.h>

#include "lio.h"

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: lioctl 'COMMAND; ...' (see lio.h)\n");
		return 2;
	}
	return lio("%s", argv[1]) ? 1 : 0;
}
