/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The filter language; see filter.h. Pure functions. */
#include "core/view/filter.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/parse.h"
#include "core/model/wait_kind.h"
#include "core/view/view_internal.h"
#include "core/view/words.h"

static int fail(char *why, size_t size, const char *what, const char *term)
{
	snprintf(why, size, "filter: %s: \"%.60s\"", what, term);
	return -EINVAL;
}

/* "1.5m": the whole number below it, and whether there is more. */
static int read_number(const char *text, uint64_t *ret, bool *ret_rest)
{
	const char *unit = text + strspn(text, "0123456789.");
	int err;

	for (const struct filter_word *w = filter_units; w->name; w++) {
		if (strcasecmp(unit, w->name))
			continue;
		err = scan_scaled(&text, unit, w->value, ret, ret_rest);
		return !err && text != unit ? -EINVAL : err;
	}
	return -EINVAL;
}

static int key_of(const char *text, size_t len)
{
	for (const struct filter_word *w = filter_keys; w->name; w++) {
		if (strlen(w->name) == len && !strncasecmp(text, w->name, len))
			return (int)w->value;
	}
	return -ENOENT;
}

/* pattern[0..len) with * and ?, the whole text, letters without case. No recursion. */
static bool glob(const char *pattern, size_t len, const char *text)
{
	size_t p = 0, star = SIZE_MAX;
	const char *mark = NULL;

	while (*text) {
		if (p < len && pattern[p] == '*') {
			star = p++;
			mark = text;
		} else if (p < len &&
			   (pattern[p] == '?' ||
			    tolower((unsigned char)pattern[p]) == tolower((unsigned char)*text))) {
			p++;
			text++;
		} else if (mark) {
			p = star + 1;
			text = ++mark;
		} else {
			return false;
		}
	}
	while (p < len && pattern[p] == '*')
		p++;
	return p == len;
}

/* One of the alternatives, separated by commas. "chan_receive" stands for "chan receive". */
static bool match_text(const char *alternatives, const char *text)
{
	const char *p = alternatives;

	for (;;) {
		size_t len = strcspn(p, ",");
		char spaced[128];

		snprintf(spaced, sizeof(spaced), "%.*s", (int)len, p);
		if (glob(p, len, text))
			return true;
		for (char *c = spaced; *c; c++)
			*c = *c == '_' ? ' ' : *c;
		if (glob(spaced, strlen(spaced), text))
			return true;
		if (!p[len])
			return false;
		p += len + 1;
	}
}

static bool is_word(unsigned key, const char *alternative)
{
	if (key == KEY_STATE) {
		for (unsigned state = 0; state <= GSTATES; state++) {
			if (match_text(alternative, view_state_name(state)))
				return true;
		}
		return match_text(alternative, STATE_DEAD_ALIAS);
	}
	for (const struct filter_word *w = filter_flags; w->name; w++) {
		if (match_text(alternative, w->name))
			return true;
	}
	return false;
}

/* Each alternative stands for a word there is: else it is a slip, and would match nothing for ever.
 */
static int check_words(const struct filter_term *t, char *why, size_t size)
{
	char copy[sizeof(t->text)], *rest = copy, *word;

	strcpy(copy, t->text);
	while ((word = strsep(&rest, ","))) {
		if (is_word(t->key, word))
			continue;
		snprintf(why, size, "filter: no such %s: \"%.30s\"; there are %s",
			 t->key == KEY_STATE ? "state" : "flag", word,
			 t->key == KEY_STATE ? FILTER_STATE_WORDS : FILTER_FLAG_WORDS);
		return -EINVAL;
	}
	return 0;
}

static int no_such_key(const char *term, char *why, size_t size)
{
	snprintf(why, size, "filter: no such key: \"%.30s\"; there are " FILTER_KEY_WORDS, term);
	return -EINVAL;
}

static int no_number(int err, const char *term, char *why, size_t size)
{
	if (err == -ERANGE)
		return fail(why, size, "the number is too large", term);
	snprintf(why, size, "filter: not a number: \"%.60s\"; units are " FILTER_UNIT_WORDS, term);
	return -EINVAL;
}

static int parse_term(const char *term, struct filter_term *ret, char *why, size_t size)
{
	const char *value, *p = term;
	size_t len;
	int key, err = 0;

	memset(ret, 0, sizeof(*ret));
	if (*p == '-' && p[1]) {
		ret->negated = true;
		p++;
	}
	len = strcspn(p, ":<>=");
	key = p[len] && len ? key_of(p, len) : -ENOENT;
	if (key < 0) {
		/* A lone word is text to look for. With a ':' it would hardly be in any name, and
		 * match nothing for ever: it is a slip. (func:*a:b* finds such a one.) */
		if (p[len])
			return no_such_key(p, why, size);
		ret->key = KEY_ANY;
		ret->op = ':';
		snprintf(ret->text, sizeof(ret->text), "%.127s", p);
		return 0;
	}
	value = p + len;
	ret->key = (uint8_t)key;
	ret->op = *value == '=' ? ':' : *value;
	value++;
	/* key:>value, as others write key>value */
	if (key >= KEY_NUMBERS && p[len] == ':' && (*value == '>' || *value == '<'))
		ret->op = *value++;
	if (*value == '=' && ret->op != ':') {
		ret->op = ret->op == '>' ? 'g' : 'l';
		value++;
	}
	if (!*value)
		return fail(why, size, "a value is missing", p);
	if (key >= KEY_NUMBERS)
		err = read_number(value, &ret->number, &ret->more);
	if (err)
		return no_number(err, p, why, size);
	if (key < KEY_NUMBERS && ret->op != ':')
		return fail(why, size, "only ':' goes with this key", p);
	snprintf(ret->text, sizeof(ret->text), "%.127s", value);
	return key == KEY_STATE || key == KEY_FLAG ? check_words(ret, why, size) : 0;
}

int filter_parse(const char *text, struct filter *ret, char *why, size_t size)
{
	char copy[FILTER_TEXT_MAX], *save, *term;
	int err;

	memset(ret, 0, sizeof(*ret));
	if (!text)
		return 0;
	if (strlen(text) >= sizeof(copy))
		return fail(why, size, "too long", text);
	strcpy(copy, text);
	for (term = strtok_r(copy, " \t", &save); term; term = strtok_r(NULL, " \t", &save)) {
		if (ret->n == FILTER_TERMS_MAX)
			return fail(why, size, "too many terms", term);
		err = parse_term(term, &ret->terms[ret->n], why, size);
		if (err)
			return err;
		ret->n++;
	}
	return 0;
}

static bool match_flag(const char *text, const struct goroutine *g)
{
	for (const struct filter_word *w = filter_flags; w->name; w++) {
		bool is = w->value ? g->flags & w->value : !(g->flags & GOROUTINE_EXITED);

		if (is && match_text(text, w->name))
			return true;
	}
	return false;
}

static bool match_state(const char *text, const struct goroutine *g)
{
	unsigned state = view_state(g);

	return match_text(text, view_state_name(state)) ||
	       (state == GSTATE_DEAD && match_text(text, STATE_DEAD_ALIAS));
}

/* A reason by its own text, or by its kind. */
static bool match_wait(const char *text, const char *reason)
{
	return match_text(text, reason) || match_text(text, wait_kind_name(wait_kind_of(reason)));
}

static uint64_t number_of(unsigned key, const struct goroutine *g, uint64_t now_ns)
{
	switch (key) {
	case KEY_ID:
		return g->goid;
	case KEY_PARENT:
		return g->parent;
	case KEY_AGE:
		return view_age_ns(g, now_ns);
	case KEY_SINCE:
		return view_since(now_ns, goroutine_began(g));
	case KEY_WAITING:
		return view_state_ns(g, GSTATE_WAITING, now_ns);
	case KEY_RUNNABLE:
		return view_state_ns(g, GSTATE_RUNNABLE, now_ns);
	case KEY_ALLOC:
		return g->alloc_bytes;
	case KEY_CHILDREN:
		return g->children;
	default:
		return view_events_of(g);
	}
}

static bool match_any(const char *text, const struct names *names, const struct goroutine *g)
{
	const struct site *site = names_site(names, g->created_site_id);
	char number[24];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)g->goid);
	return !strcmp(text, number) || strcasestr(names_string(names, g->start_func_id), text) ||
	       strcasestr(names_string(names, view_reason_id(g)), text) ||
	       strcasestr(names_string(names, site->func_id), text);
}

/* The term's number lies between its whole part and the next when there is more of it. */
static bool match_number(const struct filter_term *t, uint64_t v)
{
	switch (t->op) {
	case '>':
		return v > t->number;
	case 'g':
		return t->more ? v > t->number : v >= t->number;
	case '<':
		return t->more ? v <= t->number : v < t->number;
	case 'l':
		return v <= t->number;
	default:
		return !t->more && v == t->number;
	}
}

/* A reason that Go has, by its whole text or with * and ?, or by how those of its sort begin. */
static bool is_known_reason(const char *word)
{
	char spaced[FILTER_TEXT_MAX];

	snprintf(spaced, sizeof(spaced), "%s", word);
	for (char *c = spaced; *c; c++)
		*c = *c == '_' ? ' ' : *c;
	for (const struct wait_kind_prefix *p = wait_kind_prefixes; p->text; p++) {
		if (match_text(word, p->text) || !strncasecmp(spaced, p->text, strlen(p->text)))
			return true;
	}
	for (unsigned kind = 0; kind < WAIT_KINDS; kind++) {
		if (match_text(word, wait_kind_name(kind)))
			return true;
	}
	return false;
}

static bool is_told(const char *word, const struct names *names)
{
	for (uint32_t id = 0; id <= names_strings(names); id++) {
		const char *text = names_string(names, id);

		if (*text && match_text(word, text))
			return true;
	}
	return false;
}

static int check_waits(const struct filter_term *t, const struct names *names, char *why,
		       size_t size)
{
	bool was = t->key == KEY_WAS;
	char copy[sizeof(t->text)], *rest = copy, *word;

	strcpy(copy, t->text);
	while ((word = strsep(&rest, ","))) {
		if (!*word || (was && is_word(KEY_STATE, word)) || is_known_reason(word) ||
		    is_told(word, names))
			continue;
		snprintf(why, size, "filter: no such %s: \"%.30s\"; there are %s%s",
			 was ? "state, wait reason or kind" : "wait reason or kind", word,
			 was ? "other sync channel network sleep idle gc and "
			     : "other sync channel network sleep idle gc, and Go's reasons",
			 was ? FILTER_STATE_WORDS : "");
		return -EINVAL;
	}
	return 0;
}

int filter_check_waits(const struct filter *f, const struct names *names, char *why, size_t size)
{
	int err = 0;

	for (unsigned i = 0; i < f->n && !err; i++) {
		if (f->terms[i].key == KEY_WAS || f->terms[i].key == KEY_WAIT)
			err = check_waits(&f->terms[i], names, why, size);
	}
	return err;
}

static bool match_was(const char *text, const struct names *names, const struct filter_was *was)
{
	if (was->ended &&
	    (match_text(text, view_state_name(GSTATE_DEAD)) || match_text(text, STATE_DEAD_ALIAS)))
		return true;
	for (size_t i = 0; i < was->n; i++) {
		const struct filter_stay *stay = &was->v[i];

		if (match_text(text, view_state_name(stay->state)) ||
		    (gstate_waits(stay->state) &&
		     match_wait(text, names_string(names, stay->reason_id))))
			return true;
	}
	return false;
}

static bool match_term(const struct filter_term *t, const struct names *names,
		       const struct goroutine *g, uint64_t now_ns, const struct filter_was *was)
{
	switch (t->key) {
	case KEY_ANY:
		return match_any(t->text, names, g);
	case KEY_STATE:
		return match_state(t->text, g);
	case KEY_WAIT:
		return gstate_waits(view_state(g)) &&
		       match_wait(t->text, names_string(names, g->reason_id));
	case KEY_WAS:
		return match_was(t->text, names, was);
	case KEY_FUNC:
		return match_text(t->text, names_string(names, g->start_func_id));
	case KEY_SITE:
		return match_text(
			t->text,
			names_string(names, names_site(names, g->created_site_id)->func_id));
	case KEY_FLAG:
		return match_flag(t->text, g);
	default:
		return match_number(t, number_of(t->key, g, now_ns));
	}
}

bool filter_asks_was(const struct filter *f)
{
	for (unsigned i = 0; i < f->n; i++) {
		if (f->terms[i].key == KEY_WAS)
			return true;
	}
	return false;
}

bool filter_match(const struct filter *f, const struct names *names, const struct goroutine *g,
		  uint64_t now_ns, const struct filter_was *was)
{
	for (unsigned i = 0; i < f->n; i++) {
		if (!was && f->terms[i].key == KEY_WAS)
			continue;
		if (match_term(&f->terms[i], names, g, now_ns, was) == f->terms[i].negated)
			return false;
	}
	return true;
}
