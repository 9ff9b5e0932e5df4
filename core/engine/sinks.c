/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Starting and ending recording and printing. See sinks.h. */
#include "core/engine/sinks.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/safe_file.h"
#include "core/view/view.h"

struct sinks {
	struct sinks_config c;
	struct recorder *recorder;
	struct stdout_log *stdout_log;
};

int sinks_new(const struct sinks_config *config, struct sinks **ret)
{
	struct sinks *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->c = *config;
	*ret = s;
	return 0;
}

void sinks_free(struct sinks *s)
{
	if (!s)
		return;
	recorder_free(s->recorder);
	free(s);
}

int sinks_record(struct sinks *s)
{
	const char *folder = s->c.recorder.storage_dir;
	int err = folder ? recorder_new(&s->c.recorder, &s->recorder) : 0;

	return err ? log_error(err, "cannot record into %s: %s", folder, file_strerror(err)) : 0;
}

int sinks_print(struct sinks *s)
{
	return s->c.stdout_log.model ? stdout_log_start(&s->c.stdout_log, &s->stdout_log) : 0;
}

const struct recorder_stats *sinks_recorded(const struct sinks *s, struct recorder_stats *buf)
{
	if (!s->recorder)
		return NULL;
	recorder_stats(s->recorder, buf);
	return buf;
}

void sinks_recording(const struct sinks *s, struct recording *ret)
{
	if (s->recorder)
		recorder_recording(s->recorder, ret);
}

bool sinks_session(const struct sinks *s, char ret[SESSION_ID_LEN + 1])
{
	if (s->recorder)
		recorder_id(s->recorder, ret);
	return s->recorder;
}

uint64_t sinks_behind(const struct sinks *s)
{
	return s->stdout_log ? stdout_log_behind(s->stdout_log) : 0;
}

int sinks_stop_printing(struct sinks *s)
{
	struct stdout_log *log = s->stdout_log;

	s->stdout_log = NULL;
	return stdout_log_stop(log);
}

int sinks_stop_recording(struct sinks *s, bool *ret_left)
{
	cleanup_buf_ struct buf stop = BUF_INIT;
	struct recording rec;
	int err;

	if (!s->recorder)
		return 0;
	err = recorder_stop(s->recorder);
	if (err) {
		*ret_left = true;
		return err;
	}
	recorder_recording(s->recorder, &rec);
	view_recording_stop(&rec, &stop);
	if (stop.len)
		log_error(0, "%s; %llu events are missing from it", stop.data,
			  (unsigned long long)(rec.missed + rec.not_recorded));
	else if (rec.missed)
		log_warn("%llu events are missing from the recording",
			 (unsigned long long)rec.missed);
	/* Whatever the write said, it is neither what the user wrote nor a lack of privilege. */
	return rec.state == RECORDING_STOPPED ? -EIO : 0;
}
