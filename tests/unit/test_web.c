/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The parts of web/ that need no socket: who may ask, arguments, JSON, settings. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "web/guard.h"
#include "web/server.h"
#include "web/settings.h"

static void test_host(void **state)
{
	static const struct {
		const char *host;
		bool loopback, wild, token;
	} cases[] = {
		{"localhost", true, true, true},
		{"LOCALHOST:8080", true, true, true},
		{"127.0.0.1:8080", true, true, true},
		{"127.8.9.1", true, true, true},
		{"[::1]:80", true, true, true},
		{"10.0.0.5:8080", false, true, true},
		{"evil.com", false, false, true},
		{"evil.com:8080", false, false, true},
		{"127.0.0.1.evil.com", false, false, true},
		{"localhost.evil.com:8080", false, false, true},
		{"evil@localhost", false, false, false},
		{"localhost/x", false, false, false},
		{"localhost:80x", false, false, false},
		{"localhost:123456", false, false, false},
		{"[::1", false, false, false},
		{"[::1]x", false, false, false},
		{"", false, false, false},
		{":80", false, false, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(guard_host(cases[i].host, "127.0.0.1", false), cases[i].loopback);
		assert_int_equal(guard_host(cases[i].host, "0.0.0.0", false), cases[i].wild);
		assert_int_equal(guard_host(cases[i].host, "127.0.0.1", true), cases[i].token);
	}
	assert_false(guard_host(NULL, "127.0.0.1", true));
}

static void test_origin(void **state)
{
	assert_true(guard_origin(NULL, "localhost:8080"));
	assert_true(guard_origin("http://localhost:8080", "localhost:8080"));
	assert_true(guard_origin("https://box.example", "box.example"));
	assert_false(guard_origin("http://localhost:9090", "localhost:8080"));
	assert_false(guard_origin("http://localhost", "localhost:8080"));
	assert_false(guard_origin("http://evil.com", "localhost:8080"));
	assert_false(guard_origin("null", "localhost:8080"));
	assert_false(guard_origin("", ""));
	assert_false(guard_origin("http://", ""));
	assert_false(guard_origin("file://localhost:8080", "localhost:8080"));
}

static void test_token(void **state)
{
	assert_true(guard_token("0123456789abcdef", 16, "0123456789abcdef"));
	assert_false(guard_token("0123456789abcdeF", 16, "0123456789abcdef"));
	assert_false(guard_token("0123456789abcde", 15, "0123456789abcdef"));
	assert_false(guard_token("0123456789abcdef0123456789abcdef", 32, "0123456789abcdef"));
	assert_false(guard_token("", 0, "0123456789abcdef"));
	assert_false(guard_token("", 0, ""));
	assert_true(guard_is_loopback("127.1.2.3"));
	assert_true(guard_is_loopback("::1"));
	assert_false(guard_is_loopback("0.0.0.0"));
	assert_false(guard_is_loopback("localhost"));
	assert_false(guard_is_numeric("localhost"));
	assert_true(guard_is_numeric("fe80::1"));
}

static enum guard_verdict verdict(struct guard_request rq)
{
	static const char *const allowed[] = {"http://localhost:5173", "https://dash.example",
					      NULL};

	rq.path = rq.path ? rq.path : "/api/info";
	rq.host = rq.host ? rq.host : "127.0.0.1:8080";
	return guard_check(&rq, "127.0.0.1", allowed);
}
#define VERDICT(...) verdict((struct guard_request){__VA_ARGS__})

static void test_who(void **state)
{
	static const char own[] = "http://127.0.0.1:8080", good[] = "http://localhost:5173",
			  browser[] = "Mozilla/5.0 (X11)";

	assert_int_equal(VERDICT(0), GUARD_TOKEN);
	assert_int_equal(VERDICT(.token = true), GUARD_OK);
	assert_int_equal(VERDICT(.trusted = true), GUARD_OK);
	/* The user is right, and the page is not. */
	assert_int_equal(VERDICT(.trusted = true, .origin = "http://evil.example"), GUARD_ORIGIN);
	assert_int_equal(VERDICT(.trusted = true, .token = true, .origin = "null"), GUARD_ORIGIN);
	assert_int_equal(VERDICT(.trusted = true, .host = "evil.example"), GUARD_HOST);
	assert_int_equal(VERDICT(.trusted = true, .site = "cross-site"), GUARD_SITE);
	assert_int_equal(VERDICT(.trusted = true, .site = "same-site"), GUARD_SITE);
	assert_int_equal(VERDICT(.trusted = true, .site = ""), GUARD_SITE);
	assert_int_equal(VERDICT(.trusted = true, .site = "cross-site", .path = "/"), GUARD_OK);
	assert_int_equal(
		VERDICT(.trusted = true, .site = "cross-site", .path = "/", .mode = "no-cors"),
		GUARD_SITE);
	/* A browser that does not say whose page it is. */
	assert_int_equal(VERDICT(.trusted = true, .user_agent = browser), GUARD_TOKEN);
	assert_int_equal(VERDICT(.trusted = true, .user_agent = "mozilla/4.0"), GUARD_TOKEN);
	assert_int_equal(VERDICT(.trusted = true, .user_agent = "curl/8", .referer = true),
			 GUARD_TOKEN);
	assert_int_equal(VERDICT(.trusted = true, .user_agent = "curl/8"), GUARD_OK);
	assert_int_equal(VERDICT(.token = true, .user_agent = browser), GUARD_OK);
	assert_int_equal(VERDICT(.trusted = true, .user_agent = browser, .origin = own), GUARD_OK);
	assert_int_equal(VERDICT(.trusted = true, .user_agent = browser, .site = "same-origin"),
			 GUARD_OK);
	/* An allowed page is no user. */
	assert_int_equal(VERDICT(.origin = good), GUARD_TOKEN);
	assert_int_equal(VERDICT(.trusted = true, .origin = good, .site = "cross-site"), GUARD_OK);
	assert_int_equal(VERDICT(.trusted = true, .origin = "https://dash.example"), GUARD_OK);
	assert_int_equal(VERDICT(.trusted = true, .origin = good, .host = "evil.example"),
			 GUARD_HOST);
	assert_int_equal(VERDICT(.trusted = true, .origin = "http://localhost:51730"),
			 GUARD_ORIGIN);
	assert_int_equal(VERDICT(.trusted = true, .origin = "http://localhost:517"), GUARD_ORIGIN);
	assert_int_equal(VERDICT(.trusted = true, .origin = "https://localhost:5173"),
			 GUARD_ORIGIN);
	assert_int_equal(VERDICT(.trusted = true, .origin = "http://Localhost:5173"), GUARD_ORIGIN);
	assert_null(guard_allowed("http://a", NULL));
	assert_null(guard_allowed(NULL, NULL));
}

static void test_cookie(void **state)
{
	const char *at = "a=b; tok_1=x;tok=; tokens;  tok_22=y=z; xtok=n; c=tok=m";
	size_t len;

	assert_memory_equal(guard_cookie(&at, "tok", &len), "x;", 2);
	assert_int_equal(len, 1);
	assert_non_null(guard_cookie(&at, "tok", &len));
	assert_int_equal(len, 0);
	assert_memory_equal(guard_cookie(&at, "tok", &len), "y=z;", 4);
	assert_int_equal(len, 3);
	assert_null(guard_cookie(&at, "tok", &len));
	assert_null(guard_cookie(&at, "tok", &len));
}

static void add(struct request *rq, const char *text)
{
	assert_int_equal(http_add_arg(rq, text, strlen(text)), 0);
}

static void test_arguments(void **state)
{
	struct request *rq = calloc(1, sizeof(*rq));
	struct response rs = {0};
	uint64_t v = 99;

	add(rq, "limit=10");
	add(rq, "big=18446744073709551616");
	add(rq, "neg=-1");
	add(rq, "empty=");
	add(rq, "flag");
	add(rq, "eq=a=b");
	assert_string_equal(http_arg(rq, "eq"), "a=b");
	assert_string_equal(http_arg(rq, "flag"), "");
	assert_null(http_arg(rq, "none"));
	assert_int_equal(http_arg_u64(rq, &rs, "limit", 1, 100, 5, &v), 0);
	assert_int_equal(v, 10);
	assert_int_equal(http_arg_u64(rq, &rs, "none", 1, 100, 5, &v), 0);
	assert_int_equal(v, 5);
	assert_int_equal(http_arg_u64(rq, &rs, "empty", 1, 100, 7, &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(http_arg_u64(rq, &rs, "limit", 11, 100, 5, &v), -EINVAL);
	assert_int_equal(rs.status, 400);
	assert_int_equal(http_arg_u64(rq, &rs, "big", 0, UINT64_MAX, 5, &v), -EINVAL);
	assert_int_equal(http_arg_u64(rq, &rs, "neg", 0, UINT64_MAX, 5, &v), -EINVAL);
	for (unsigned i = rq->n_args; i < HTTP_ARGS_MAX; i++)
		add(rq, "x=1");
	assert_int_equal(http_add_arg(rq, "x=1", 3), -E2BIG);
	buf_free(&rs.body);
	free(rq);
}

static void test_routed(void **state)
{
	struct request *rq = calloc(1, sizeof(*rq));

	add(rq, "from=1");
	add(rq, "to=2");
	assert_int_equal(http_add_arg(rq, "n=5\0x", 5), -EINVAL);
	rq->takes[0] = "from";
	rq->takes[1] = "to";
	assert_string_equal(http_arg(rq, "from"), "1");
	assert_string_equal(http_arg(rq, "to"), "2");
	/* A handler that looks at what the table of routes does not name finds nothing. */
	rq->takes[0] = "fromage to";
	rq->takes[1] = "format";
	log_set_level(LOG_LEVEL_ERROR);
	assert_null(http_arg(rq, "from"));
	rq->takes[0] = "";
	assert_null(http_arg(rq, "to"));
	free(rq);
}

static void test_encoding(void **state)
{
	static const struct {
		const char *header;
		bool gzip;
	} cases[] = {
		{NULL, false},
		{"", false},
		{"gzip", true},
		{"GZIP", true},
		{"x-gzip", true},
		{"gzip, deflate, br", true},
		{"br;q=1.0, gzip ; q=0.8 , *;q=0.1", true},
		{"gzip;q=0.001", true},
		{"gzip;q=0", false},
		{"gzip;q=0.000", false},
		{"deflate, gzip;Q=0", false},
		{"identity", false},
		{"*", false},
		{"*;q=0", false},
		{"br", false},
		{"gzipped", false},
		{"notgzip", false},
		{"gzip;q=", false},
		{"gzip;q=-1", false},
		{"gzip;q=nan", false},
		{"gzip;q=99999999999999999999", false},
		{"gzip;", true},
		{"gzip;level=9", false},
		{",,;q=1,", false},
		{";;;", false},
		{"=", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (http_takes_gzip(cases[i].header) != cases[i].gzip)
			fail_msg("\"%s\"", cases[i].header);
	}
}

static void test_form(void **state)
{
	static const struct {
		const char *header;
		bool text;
	} cases[] = {
		{NULL, false},
		{"", false},
		{"*/*", false},
		{"text/plain", true},
		{"TEXT/Plain; charset=utf-8", true},
		{"text/plain;charset=utf-8;q=0.1", true},
		{"text/*", true},
		{"text/plain, */*", false},
		{"text/plain, */*;q=0.5", true},
		{"text/plain;q=0.4, application/json;q=0.5", false},
		{"application/json, text/plain", false},
		{"application/json;q=0.9, text/plain, */*", true},
		{"text/plain;q=0", false},
		/* A browser. */
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false},
		{";;,,=", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (http_prefers_text(cases[i].header) != cases[i].text)
			fail_msg("\"%s\"", cases[i].header);
	}
}

/* The route of a path: what it is of and which arguments it has. */
static void is_route(const char *path, const char *view, const char *takes, const char *param)
{
	struct request *rq = calloc(1, sizeof(*rq));
	char found[256] = "";
	handler_fn handler;

	snprintf(rq->path, sizeof(rq->path), "%s", path);
	if (route_find(rq, &handler))
		fail_msg("%s: not found", path);
	for (unsigned i = 0; i < HTTP_TAKES && rq->takes[i]; i++) {
		strcat(found, *found && *rq->takes[i] ? " " : "");
		strcat(found, rq->takes[i]);
	}
	assert_string_equal(found, takes);
	assert_string_equal(rq->view ? rq->view->name : "", view);
	assert_string_equal(rq->params[0], param);
	rq->method = HTTP_POST;
	assert_int_equal(route_find(rq, &handler), -EPERM);
	free(rq);
}

static void test_routes(void **state)
{
	struct request *rq = calloc(1, sizeof(*rq));
	handler_fn handler;

	is_route("/api/live/stats", "stats", "proc format", "");
	is_route("/api/live/pprof/allocs", "pprof/allocs", "proc", "");
	is_route("/api/live/goroutines/7/stats", "stats", "proc format", "7");
	is_route("/api/sessions/abc/goroutines/7/stats", "stats", "proc partial format", "abc");
	is_route("/api/sessions/abc/health", "health", "proc partial format", "abc");
	is_route("/api/live/goroutines/7", "", "proc", "7");
	is_route("/api/live/goroutines", "goroutines",
		 "filter goids sort desc limit offset full proc format", "");
	is_route("/api/live/types/main.Request", "", "proc format", "main.Request");
	is_route("/api/live/status", "", "proc", "");
	is_route("/api/live/meter", "meter", "n proc", "");
	for (const char *const *path =
		     (const char *const[]){"/api/live", "/api/live/", "/api/live/stats/",
					   "/api/live/stat", "/api/live/goroutines//stats",
					   "/api/live/goroutines/7/", "/api/sessions//stats",
					   "/stats", "", "/api/live/stack", NULL};
	     *path; path++) {
		snprintf(rq->path, sizeof(rq->path), "%s", *path);
		if (route_find(rq, &handler) != -ENOENT)
			fail_msg("\"%s\" is something", *path);
	}
	free(rq);
}

static void test_json(void **state)
{
	struct buf b = BUF_INIT;

	json_str(&b, "a\"b\\c\n\x01\xc3\xa9\xff\xed\xa0\x80z");
	assert_string_equal(b.data, "\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa9\xef\xbf\xbd"
				    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
	buf_reset(&b);
	buf_addc(&b, '{');
	json_ku(&b, "n", 18446744073709551615ull);
	json_ks(&b, "s", "");
	json_kb(&b, "t", true);
	json_kd(&b, "d", 0.5);
	json_kd(&b, "nan", 0.0 / 0.0);
	buf_addc(&b, '}');
	assert_string_equal(b.data, "{\"n\":18446744073709551615,\"s\":\"\",\"t\":true,\"d\":0.5,"
				    "\"nan\":0}");
	buf_free(&b);
}

static void test_settings(void **state)
{
	char dir[] = "/tmp/test_web_XXXXXX", path[64], why[160];
	const char *good = "{\"nanoseconds_per_pixel\":5,\"state_colors\":{\"4\":\"#102030\"},"
			   "\"ui\":{\"theme\":\"dark\"}}";
	static const char *const bad[] = {
		"",
		"[]",
		"{\"nanoseconds_per_pixel\":0}",
		"{\"nanoseconds_per_pixel\":\"1\"}",
		"{\"nanoseconds_per_pixel\":1e400}",
		"{\"state_colors\":{\"12\":\"#102030\"}}",
		"{\"state_colors\":{\"x\":\"#102030\"}}",
		"{\"state_colors\":{\"1\":\"red\"}}",
		"{\"state_colors\":{\"1\":\"#10203g\"}}",
		"{\"type_colors\":{\"casgstatus\":\"#102030\"}}",
		"{\"ui\":1}",
		"{\"other\":1}",
		"{\"ui\":{},\"ui\":{}}",
	};
	struct settings *s;
	struct buf out = BUF_INIT;
	struct stat st;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ui.json", dir);
	assert_int_equal(settings_new(path, &s), 0);
	assert_int_equal(settings_set(s, good, strlen(good), why, sizeof(why)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(settings_set(s, bad[i], strlen(bad[i]), why, sizeof(why)),
				 -EINVAL);
	settings_free(s);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* Another run finds them. */
	assert_int_equal(settings_new(path, &s), 0);
	assert_int_equal(settings_get(s, &out), 0);
	assert_non_null(strstr(out.data, "\"nanoseconds_per_pixel\":5"));
	assert_non_null(strstr(out.data, "\"4\":\"#102030\""));
	assert_non_null(strstr(out.data, "\"1\":\"#3b82f6\""));
	settings_free(s);
	buf_free(&out);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),   cmocka_unit_test(test_origin),
		cmocka_unit_test(test_token),  cmocka_unit_test(test_who),
		cmocka_unit_test(test_cookie), cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_routed), cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_form),   cmocka_unit_test(test_routes),
		cmocka_unit_test(test_json),   cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
