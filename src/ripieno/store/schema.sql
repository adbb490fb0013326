CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE apis (
	tenant TEXT NOT NULL, 
	name TEXT NOT NULL, 
	version TEXT NOT NULL, 
	source TEXT NOT NULL, 
	document TEXT NOT NULL, 
	config TEXT NOT NULL, 
	created_by TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, name)
);

CREATE TABLE artifacts (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	name TEXT NOT NULL, 
	media_type TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	hash TEXT NOT NULL, 
	run_id TEXT, 
	created_by TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	PRIMARY KEY (id)
);

CREATE INDEX artifacts_page ON artifacts (tenant, id);

CREATE INDEX artifacts_bytes ON artifacts (tenant, hash);

CREATE INDEX artifacts_run ON artifacts (run_id) WHERE run_id IS NOT NULL;

CREATE TABLE blob_chunks (
	place TEXT NOT NULL, 
	n INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	PRIMARY KEY (place, n)
);

CREATE TABLE blobs (
	tenant TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	shelf TEXT NOT NULL, 
	place TEXT NOT NULL, 
	touched_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, hash), 
	UNIQUE (place)
);

CREATE INDEX blobs_touched ON blobs (touched_at);

CREATE TABLE breakers (
	"key" TEXT NOT NULL, 
	failures INTEGER NOT NULL, 
	openings INTEGER NOT NULL, 
	rests_until BIGINT, 
	probe_until BIGINT, 
	updated_at BIGINT NOT NULL, 
	PRIMARY KEY ("key")
);

CREATE TABLE budget_accounts (
	tenant TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	period TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	spent_usd BIGINT NOT NULL, 
	spent_tokens BIGINT NOT NULL, 
	spent_seconds BIGINT NOT NULL, 
	spent_effects BIGINT NOT NULL, 
	leased_usd BIGINT NOT NULL, 
	leased_tokens BIGINT NOT NULL, 
	leased_seconds BIGINT NOT NULL, 
	leased_effects BIGINT NOT NULL, 
	raised_usd BIGINT NOT NULL, 
	raised_tokens BIGINT NOT NULL, 
	raised_seconds BIGINT NOT NULL, 
	raised_effects BIGINT NOT NULL, 
	warned BOOLEAN NOT NULL, 
	wanted_at BIGINT, 
	PRIMARY KEY (tenant, scope, period, since)
);

CREATE TABLE budget_chunks (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	period TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	holder TEXT NOT NULL, 
	seen_at BIGINT NOT NULL, 
	usd BIGINT NOT NULL, 
	tokens BIGINT NOT NULL, 
	seconds BIGINT NOT NULL, 
	effects BIGINT NOT NULL, 
	PRIMARY KEY (id)
);

CREATE INDEX budget_chunks_by_account ON budget_chunks (tenant, scope, period);

CREATE INDEX budget_chunks_by_age ON budget_chunks (seen_at);

CREATE TABLE budget_raises (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	period TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	measure TEXT NOT NULL, 
	amount BIGINT NOT NULL, 
	raised_by TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	PRIMARY KEY (id)
);

CREATE TABLE budgets (
	tenant TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	period TEXT NOT NULL, 
	usd BIGINT, 
	tokens BIGINT, 
	seconds BIGINT, 
	effects BIGINT, 
	on_exceeded TEXT NOT NULL, 
	warn_at FLOAT NOT NULL, 
	set_by TEXT NOT NULL, 
	set_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, scope, period)
);

CREATE TABLE dead_letters (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	state TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	cause TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	payload TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	settled_at BIGINT, 
	settled_by TEXT, 
	outcome TEXT, 
	PRIMARY KEY (id)
);

CREATE INDEX dead_letters_by_tenant ON dead_letters (tenant, created_at, id);

CREATE INDEX dead_letters_by_run ON dead_letters (run_id);

CREATE TABLE effects (
	run_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	tool TEXT NOT NULL, 
	effect TEXT NOT NULL, 
	state TEXT NOT NULL, 
	idempotency_key TEXT NOT NULL, 
	arguments_hash TEXT NOT NULL, 
	intended_at BIGINT NOT NULL, 
	closed_at BIGINT, 
	PRIMARY KEY (run_id, "key", attempt)
);

CREATE TABLE entries (
	run_id TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	type TEXT NOT NULL, 
	v INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	epoch INTEGER NOT NULL, 
	PRIMARY KEY (run_id, seq), 
	UNIQUE (run_id, "key")
);

CREATE TABLE event_waiters (
	run_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	topic TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	epoch INTEGER NOT NULL, 
	PRIMARY KEY (run_id, "key")
);

CREATE INDEX event_waiters_by_topic ON event_waiters (tenant, topic);

CREATE TABLE event_wakes (
	run_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	epoch INTEGER NOT NULL, 
	tenant TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (run_id, "key")
);

CREATE TABLE halts (
	scope TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	halted_by TEXT NOT NULL, 
	halted_at BIGINT NOT NULL, 
	PRIMARY KEY (scope)
);

CREATE TABLE inbox (
	run_id TEXT NOT NULL, 
	n INTEGER NOT NULL, 
	topic TEXT NOT NULL, 
	dedupe TEXT NOT NULL, 
	body TEXT NOT NULL, 
	state TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	PRIMARY KEY (run_id, n), 
	UNIQUE (run_id, dedupe)
);

CREATE TABLE interrupts (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	status TEXT NOT NULL, 
	subject_hash TEXT NOT NULL, 
	request TEXT NOT NULL, 
	risk TEXT NOT NULL, 
	reasons TEXT NOT NULL, 
	requested_by TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT, 
	decisions TEXT NOT NULL, terms TEXT DEFAULT '{}' NOT NULL, assignees TEXT DEFAULT '[]' NOT NULL, escalated_at BIGINT, 
	PRIMARY KEY (id), 
	UNIQUE (run_id, "key")
);

CREATE INDEX interrupts_by_tenant ON interrupts (tenant, created_at, id);

CREATE INDEX interrupts_expiring ON interrupts (expires_at) WHERE status = 'pending';

CREATE INDEX interrupts_pending ON interrupts (tenant, created_at) WHERE status = 'pending';

CREATE TABLE leftovers (
	run_id TEXT NOT NULL, 
	PRIMARY KEY (run_id)
);

CREATE TABLE mail (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	box TEXT NOT NULL, 
	n INTEGER NOT NULL, 
	sender TEXT NOT NULL, 
	from_run TEXT, 
	body TEXT NOT NULL, 
	reply_to TEXT, 
	sent_at BIGINT NOT NULL, 
	taken_by TEXT, 
	taken_key TEXT, 
	taken_at BIGINT, acknowledged_at BIGINT, 
	PRIMARY KEY (id)
);

CREATE INDEX mail_unread ON mail (tenant, box, n) WHERE taken_at IS NULL;

CREATE INDEX mail_taken ON mail (taken_by, taken_key) WHERE taken_by IS NOT NULL;

CREATE INDEX mail_old ON mail (taken_at) WHERE taken_at IS NOT NULL;

CREATE INDEX mail_unacknowledged ON mail (taken_by) WHERE taken_at IS NOT NULL AND acknowledged_at IS NULL;

CREATE TABLE mail_waiters (
	run_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	box TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	PRIMARY KEY (run_id, "key", box)
);

CREATE INDEX mail_waiters_by_box ON mail_waiters (tenant, box, since);

CREATE TABLE mailboxes (
	tenant TEXT NOT NULL, 
	box TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	PRIMARY KEY (tenant, box)
);

CREATE TABLE mcp_pins (
	tenant TEXT NOT NULL, 
	server TEXT NOT NULL, 
	tool TEXT NOT NULL, 
	accepted TEXT, 
	offered TEXT, 
	accepted_by TEXT NOT NULL, 
	accepted_at BIGINT, 
	offered_at BIGINT, 
	PRIMARY KEY (tenant, server, tool)
);

CREATE TABLE mcp_servers (
	tenant TEXT NOT NULL, 
	name TEXT NOT NULL, 
	version TEXT NOT NULL, 
	config TEXT NOT NULL, 
	created_by TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, name)
);

CREATE TABLE model_documents (
	tenant TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	created_by TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, kind, name)
);

CREATE TABLE outbox (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	pos BIGINT, 
	tenant TEXT NOT NULL, 
	type TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	body TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	UNIQUE (pos)
);

CREATE INDEX outbox_unnumbered ON outbox (id) WHERE pos IS NULL;

CREATE INDEX outbox_audit ON outbox (tenant, id) WHERE type = 'audit';

CREATE TABLE published_events (
	tenant TEXT NOT NULL, 
	source TEXT NOT NULL, 
	id TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, source, id)
);

CREATE INDEX published_events_old ON published_events (at);

CREATE TABLE replies (
	scope TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	body_hash TEXT NOT NULL, 
	resource_id TEXT NOT NULL, 
	status INTEGER NOT NULL, 
	headers TEXT NOT NULL, 
	body TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	PRIMARY KEY (scope, "key")
);

CREATE INDEX replies_by_age ON replies (at);

CREATE TABLE reservations (
	run_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	period TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	chunk_id TEXT NOT NULL, 
	state TEXT NOT NULL, 
	usd BIGINT NOT NULL, 
	tokens BIGINT NOT NULL, 
	seconds BIGINT NOT NULL, 
	effects BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	PRIMARY KEY (run_id, "key", scope, period)
);

CREATE INDEX reservations_by_chunk ON reservations (chunk_id);

CREATE INDEX reservations_by_scope ON reservations (tenant, scope);

CREATE TABLE runs (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	target TEXT NOT NULL, 
	target_version TEXT NOT NULL, 
	session_id TEXT NOT NULL, 
	root_id TEXT NOT NULL, 
	parent_id TEXT, 
	parent_key TEXT, 
	status TEXT NOT NULL, 
	exit_reason TEXT, 
	input TEXT NOT NULL, 
	result TEXT, 
	created_by TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	started_at BIGINT, 
	ended_at BIGINT, 
	deadline BIGINT, 
	owner TEXT, 
	epoch INTEGER NOT NULL, 
	claimed_seq INTEGER NOT NULL, 
	deaths INTEGER NOT NULL, 
	last_seq INTEGER NOT NULL, 
	inbox_seq INTEGER NOT NULL, 
	generation INTEGER NOT NULL, 
	format INTEGER NOT NULL, 
	hold BOOLEAN NOT NULL, 
	cancel_at BIGINT, 
	cancel_by TEXT, 
	cancel_reason TEXT, 
	waits TEXT NOT NULL, 
	wake_at BIGINT, 
	lane TEXT NOT NULL, 
	lane_rank INTEGER NOT NULL, 
	priority INTEGER NOT NULL, 
	dry_run BOOLEAN NOT NULL, 
	metadata TEXT NOT NULL, after_id TEXT, next_id TEXT, superseded TEXT, 
	PRIMARY KEY (id)
);

CREATE INDEX runs_by_session ON runs (tenant, session_id, created_at, id);

CREATE INDEX runs_by_status ON runs (status, tenant, created_at, id);

CREATE INDEX runs_by_target ON runs (tenant, target, created_at, id);

CREATE INDEX runs_by_tenant ON runs (tenant, created_at, id);

CREATE INDEX runs_children ON runs (parent_id) WHERE parent_id IS NOT NULL;

CREATE INDEX runs_live_children ON runs (parent_id) WHERE parent_id IS NOT NULL AND ended_at IS NULL;

CREATE INDEX runs_running ON runs (cancel_at) WHERE status = 'running';

CREATE INDEX runs_wake ON runs (wake_at) WHERE wake_at IS NOT NULL AND NOT hold;

CREATE INDEX runs_old ON runs (ended_at) WHERE ended_at IS NOT NULL AND parent_id IS NULL;

CREATE INDEX runs_family ON runs (root_id) WHERE parent_id IS NOT NULL;

CREATE INDEX runs_of_session ON runs (tenant, session_id, created_at, id) WHERE parent_id IS NULL AND ended_at IS NULL;

CREATE INDEX runs_paused ON runs (deadline) WHERE status = 'paused' AND deadline IS NOT NULL;

CREATE INDEX runs_agents ON runs (tenant, target, lane_rank, priority DESC, created_at, id) WHERE status = 'queued' AND NOT hold AND after_id IS NULL AND deaths = 0;

CREATE INDEX runs_suspects ON runs (tenant, target, lane_rank, priority DESC, created_at, id) WHERE status = 'queued' AND NOT hold AND after_id IS NULL AND deaths > 0;

CREATE INDEX runs_load ON runs (tenant, target) WHERE status = 'running';

CREATE TABLE schedule_ticks (
	schedule_id TEXT NOT NULL, 
	n INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	outcome TEXT NOT NULL, 
	triggered_by TEXT, 
	reason TEXT NOT NULL, 
	run_id TEXT, 
	open BOOLEAN NOT NULL, 
	decided_at BIGINT NOT NULL, 
	PRIMARY KEY (schedule_id, n)
);

CREATE INDEX schedule_ticks_open ON schedule_ticks (schedule_id) WHERE open;

CREATE INDEX schedule_ticks_waiting ON schedule_ticks (schedule_id, n) WHERE outcome = 'waiting';

CREATE TABLE schedules (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	name TEXT NOT NULL, 
	agent TEXT NOT NULL, 
	spec TEXT NOT NULL, 
	managed_by TEXT NOT NULL, 
	paused BOOLEAN NOT NULL, 
	problem TEXT, 
	version INTEGER NOT NULL, 
	anchor BIGINT NOT NULL, 
	next_tick BIGINT, 
	next_at BIGINT, 
	last_tick BIGINT, 
	ticks INTEGER NOT NULL, 
	waiting INTEGER NOT NULL, 
	created_by TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (tenant, name)
);

CREATE INDEX schedules_due ON schedules (next_at) WHERE NOT paused AND problem IS NULL;

CREATE INDEX schedules_waiting ON schedules (id) WHERE waiting > 0;

CREATE TABLE secrets (
	tenant TEXT NOT NULL, 
	name TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	key_id TEXT NOT NULL, 
	sealed TEXT NOT NULL, 
	created_by TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, name)
);

CREATE TABLE sessions (
	tenant TEXT NOT NULL, 
	id TEXT NOT NULL, 
	created_by TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, id)
);

CREATE TABLE tenants (
	id TEXT NOT NULL, 
	max_running INTEGER, 
	PRIMARY KEY (id)
);

CREATE TABLE tool_rules (
	tenant TEXT NOT NULL, 
	name TEXT NOT NULL, 
	rule TEXT NOT NULL, 
	updated_by TEXT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, name)
);

CREATE TABLE votes (
	interrupt_id TEXT NOT NULL, 
	voter TEXT NOT NULL, 
	n INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (interrupt_id, voter)
);

CREATE TABLE workers (
	id TEXT NOT NULL, 
	seen_at BIGINT NOT NULL, 
	dead BOOLEAN NOT NULL, slots INTEGER DEFAULT 0 NOT NULL, busy INTEGER DEFAULT 0 NOT NULL, draining BOOLEAN DEFAULT false NOT NULL, 
	PRIMARY KEY (id)
);

INSERT INTO alembic_version (version_num) VALUES ('0004');
