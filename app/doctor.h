/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * -doctor: can this machine trace, and this program be traced? Prints a report on stdout and
 * attaches nothing to the target (the cost of a probe is measured on a function of our own).
 * EXIT_FINE; EXIT_ERROR when the machine lacks something; for the target as a run would end.
 */
#ifndef XGOTOPFS_APP_DOCTOR_H
#define XGOTOPFS_APP_DOCTOR_H

#include "app/config.h"

int doctor(const struct config *config);

#endif
