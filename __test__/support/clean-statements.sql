-- Statements that are fine as they are, one a paragraph: nothing may be found in them.

SELECT id, email, created_at FROM users WHERE id = $1

SELECT id, email FROM users WHERE email = $1

SELECT name FROM users WHERE id = ANY($1::bigint[])

SELECT id, name FROM products WHERE sku = $1 LIMIT 1

SELECT o.id, o.total FROM orders o WHERE o.customer_id = $1 ORDER BY o.created_at DESC LIMIT 20

SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = $1

SELECT count(*) FROM sessions WHERE expires_at > now()

SELECT count(*) AS open, min(created_at) AS oldest FROM tickets WHERE status = 'open'

SELECT status, count(*) FROM tickets GROUP BY status ORDER BY count(*) DESC

SELECT customer_id, sum(total) AS spent FROM orders WHERE created_at >= $1 GROUP BY customer_id HAVING sum(total) > 1000

SELECT EXISTS (SELECT 1 FROM users WHERE email = $1)

SELECT EXISTS (SELECT * FROM sessions WHERE token = $1)

SELECT id FROM users u WHERE EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id) ORDER BY id LIMIT 100

SELECT id FROM users u WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id) ORDER BY id LIMIT 100

SELECT id, title FROM articles WHERE published_at IS NOT NULL ORDER BY published_at DESC LIMIT 10

SELECT id, title FROM articles WHERE title LIKE 'PostgreSQL%' ORDER BY title LIMIT 50

SELECT id, title FROM articles WHERE title NOT LIKE '%draft%' AND author_id = $1 ORDER BY id LIMIT 50

SELECT id, title FROM articles WHERE title ILIKE $1 || '%' ORDER BY title LIMIT 20

SELECT id FROM events WHERE (created_at, id) < ($1, $2) ORDER BY created_at DESC, id DESC LIMIT 50

SELECT id FROM events WHERE created_at < $1 OR (created_at = $1 AND id < $2) ORDER BY created_at DESC, id DESC LIMIT 50

SELECT id, payload->>'kind' AS kind FROM events WHERE payload->>'kind' = $1 ORDER BY id LIMIT 100

SELECT id FROM events WHERE payload @> '{"kind": "select * from"}' ORDER BY id LIMIT 100

SELECT id FROM documents WHERE to_tsvector('english', body) @@ plainto_tsquery('english', $1) LIMIT 20

SELECT id, ts_rank(search, query) AS rank FROM documents, websearch_to_tsquery('english', $1) AS query WHERE search @@ query ORDER BY rank DESC LIMIT 10

SELECT id FROM users WHERE status IN ('active', 'trial') ORDER BY id LIMIT 500

SELECT id FROM users WHERE status = 'active' OR status = 'trial' ORDER BY id LIMIT 500

SELECT id FROM coupons WHERE expires_at IS NULL OR expires_at > now() ORDER BY id LIMIT 100

SELECT id FROM jobs WHERE run_at <= now() AND locked_at IS NULL ORDER BY run_at LIMIT 10 FOR UPDATE SKIP LOCKED

SELECT id, balance FROM accounts WHERE branch = $1 FOR UPDATE

SELECT a.id, b.id FROM shifts a JOIN shifts b ON a.worker_id = b.worker_id AND a.id < b.id WHERE a.day = $1 LIMIT 100

SELECT e.name, m.name AS manager FROM employees e LEFT JOIN employees m ON m.id = e.manager_id WHERE e.department_id = $1

SELECT p.name, c.name FROM products p, categories c WHERE c.id = p.category_id AND p.sku = $1

SELECT s.size, c.color FROM sizes s CROSS JOIN colors c LIMIT 100

SELECT d.day, coalesce(count(o.id), 0) AS orders FROM generate_series($1::date, $2::date, '1 day') AS d(day) LEFT JOIN orders o ON o.day = d.day GROUP BY d.day ORDER BY d.day

SELECT u.id, latest.total FROM users u CROSS JOIN LATERAL (SELECT o.total FROM orders o WHERE o.user_id = u.id ORDER BY o.created_at DESC LIMIT 1) latest WHERE u.id = $1

SELECT u.id, l.at FROM users u LEFT JOIN LATERAL (SELECT at FROM logins WHERE user_id = u.id ORDER BY at DESC LIMIT 1) l ON true WHERE u.team_id = $1

SELECT t.id, tag FROM tickets t, unnest(t.tags) AS tag WHERE t.id = $1

SELECT v.id, v.name FROM (VALUES (1, 'one'), (2, 'two')) AS v(id, name)

SELECT * FROM (SELECT id, name FROM teams WHERE league_id = $1) t ORDER BY name

WITH recent AS (SELECT id, total FROM orders WHERE created_at > $1) SELECT sum(total) FROM recent

WITH recent AS (SELECT id, user_id FROM orders WHERE created_at > $1) SELECT * FROM recent ORDER BY id LIMIT 10

WITH RECURSIVE tree AS (SELECT id, parent_id, 1 AS depth FROM nodes WHERE id = $1 UNION ALL SELECT n.id, n.parent_id, t.depth + 1 FROM nodes n JOIN tree t ON n.parent_id = t.id) SELECT id, depth FROM tree

WITH moved AS (DELETE FROM inbox WHERE read_at < $1 RETURNING id, body) INSERT INTO archive (id, body) SELECT id, body FROM moved

WITH gone AS (DELETE FROM sessions WHERE expires_at < now()) SELECT 1

WITH a AS (SELECT id FROM x WHERE k = $1), b AS (SELECT id FROM a) SELECT id FROM b

WITH params AS (SELECT $1::int AS low, $2::int AS high) SELECT i.id FROM items i, params p WHERE i.price BETWEEN p.low AND p.high ORDER BY i.id LIMIT 10

INSERT INTO users (email, name) VALUES ($1, $2) RETURNING id

INSERT INTO users (email, name) VALUES ($1, $2), ($3, $4)

INSERT INTO counters (name, value) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1

INSERT INTO tags (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING

INSERT INTO audit (actor, action, at) VALUES ($1, 'delete from users', now())

INSERT INTO settings (key, value) VALUES ('theme', NULL)

INSERT INTO events DEFAULT VALUES

INSERT INTO daily (day, total) SELECT day, sum(total) FROM orders WHERE day = $1 GROUP BY day

UPDATE users SET name = $1, updated_at = now() WHERE id = $2

UPDATE users SET deleted_at = NULL WHERE id = $1

UPDATE orders o SET status = 'paid' FROM payments p WHERE p.order_id = o.id AND p.reference = $1

UPDATE accounts SET balance = balance - $1 WHERE id = $2 AND balance >= $1

UPDATE jobs SET locked_at = now() WHERE id = (SELECT id FROM jobs WHERE locked_at IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, payload

UPDATE items SET position = v.position FROM (VALUES (1, 10), (2, 20)) AS v(id, position) WHERE items.id = v.id

DELETE FROM sessions WHERE token = $1

DELETE FROM orders USING customers WHERE customers.id = orders.customer_id AND customers.closed_at < $1

DELETE FROM logs WHERE ctid IN (SELECT ctid FROM logs WHERE at < $1 LIMIT 1000)

MERGE INTO stock s USING deliveries d ON d.sku = s.sku WHEN MATCHED THEN UPDATE SET amount = s.amount + d.amount WHEN NOT MATCHED THEN INSERT (sku, amount) VALUES (d.sku, d.amount)

SELECT id, row_number() OVER (PARTITION BY team_id ORDER BY score DESC) AS place FROM players WHERE league_id = $1

SELECT day, sum(total) OVER (ORDER BY day) AS running FROM daily WHERE day >= $1 ORDER BY day LIMIT 366

SELECT id, lag(price) OVER w AS before FROM prices WHERE product_id = $1 WINDOW w AS (ORDER BY at)

SELECT region, product, sum(amount) FROM sales WHERE year = $1 GROUP BY GROUPING SETS ((region, product), (region), ())

SELECT region, sum(amount) FROM sales WHERE year = $1 GROUP BY ROLLUP (region)

SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) FROM requests WHERE at > $1

SELECT count(*) FILTER (WHERE status = 'failed') AS failed, count(*) AS all FROM jobs WHERE queue = $1

SELECT json_agg(json_build_object('id', id, 'name', name)) FROM teams WHERE league_id = $1

SELECT array_agg(id ORDER BY id) FROM members WHERE team_id = $1

SELECT DISTINCT country FROM addresses ORDER BY country

SELECT DISTINCT ON (user_id) user_id, at FROM logins ORDER BY user_id, at DESC

SELECT DISTINCT a.city, c.name FROM addresses a JOIN countries c ON c.id = a.country_id

SELECT count(DISTINCT user_id) FROM logins WHERE at > $1

SELECT id FROM a WHERE x = $1 UNION ALL SELECT id FROM b WHERE x = $1 LIMIT 10

SELECT email FROM users WHERE team_id = $1 UNION SELECT email FROM invitations WHERE team_id = $1

SELECT id FROM users WHERE team_id = $1 EXCEPT SELECT user_id FROM bans WHERE team_id = $1

SELECT 1

SELECT 1 AS one, 'two' AS two, NULL AS three

SELECT now()

SELECT version()

SELECT current_user, current_database()

SELECT nextval('orders_id_seq')

SELECT setval('orders_id_seq', $1)

SELECT pg_advisory_xact_lock($1)

SELECT pg_notify('jobs', $1)

SELECT gen_random_uuid() AS id

SELECT random() AS dice

SELECT '[1, 2, 3]'::jsonb -> 0

SELECT 'O''Brien -- not a comment' AS name

SELECT $$it's * from where$$ AS text

SELECT E'line\nbreak' AS text

SELECT "select", "from", "where" FROM "order" WHERE "order"."group" = $1 LIMIT 1

SELECT "*" FROM odd WHERE "id" = $1

SELECT id /* SELECT * FROM t */ FROM users WHERE id = $1 -- DELETE FROM users

SELECT id FROM users WHERE note = 'a = NULL' LIMIT 1

SELECT id FROM users WHERE note = 'DELETE FROM users' LIMIT 1

SELECT id FROM users WHERE note <> '1=1 OR 1=1' LIMIT 1

SELECT id FROM users WHERE team_id = $1 AND (first_name = $2 OR last_name = $2) LIMIT 10

SELECT id FROM users WHERE ($1::text IS NULL OR name = $1) ORDER BY id LIMIT 10

SELECT id FROM users WHERE created_at >= $1 AND created_at < $1 + interval '1 day' ORDER BY created_at LIMIT 1000

SELECT id FROM users WHERE created_at > now() - interval '7 days' ORDER BY created_at DESC LIMIT 100

SELECT id FROM users WHERE created_at BETWEEN $1 AND $2 ORDER BY created_at LIMIT 100

SELECT id FROM users WHERE birthday = date '2000-02-29' ORDER BY id LIMIT 10

SELECT id FROM users WHERE email = lower($1)

SELECT id FROM users WHERE id = '42'

SELECT id FROM users WHERE id = $1::bigint

SELECT id FROM measurements WHERE value > 1.5 ORDER BY at LIMIT 10

SELECT id FROM products WHERE price >= 9.99 AND price <= 19.99 ORDER BY price LIMIT 24

SELECT id FROM products WHERE stock - reserved >= $1 ORDER BY id LIMIT 24

SELECT price * quantity AS total FROM order_lines WHERE order_id = $1

SELECT lower(email) AS email FROM users WHERE id = $1

SELECT date_trunc('month', created_at) AS month, count(*) FROM orders WHERE created_at >= $1 GROUP BY date_trunc('month', created_at)

SELECT created_at::date AS day, count(*) FROM orders WHERE created_at >= $1 GROUP BY 1 ORDER BY 1

SELECT coalesce(max(position), 0) + 1 FROM items WHERE list_id = $1

SELECT coalesce(nickname, name) FROM users WHERE id = $1

SELECT CASE WHEN total > 100 THEN 'large' ELSE 'small' END AS size FROM orders WHERE id = $1

SELECT CASE WHEN email LIKE '%@example.com' THEN 1 ELSE 0 END AS internal FROM users WHERE id = $1

SELECT first_name || ' ' || last_name AS name FROM users WHERE id = $1

SELECT '#' || id AS label FROM tickets WHERE id = $1

SELECT id FROM tickets WHERE tags && ARRAY['urgent', 'late'] ORDER BY id LIMIT 20

SELECT id FROM tickets WHERE 'urgent' = ANY(tags) ORDER BY id LIMIT 20

SELECT id FROM rooms WHERE during && tstzrange($1, $2) LIMIT 20

SELECT id FROM places WHERE ST_DWithin(geom, ST_MakePoint($1, $2)::geography, 1000) LIMIT 20

SELECT id FROM places ORDER BY geom <-> ST_MakePoint($1, $2) LIMIT 5

SELECT id FROM items ORDER BY id LIMIT 20 OFFSET 40

SELECT id FROM items ORDER BY id LIMIT $1 OFFSET $2

SELECT id FROM items ORDER BY id FETCH FIRST 10 ROWS ONLY

SELECT id FROM items TABLESAMPLE SYSTEM (1) LIMIT 10

SELECT id FROM items WHERE parent_id IS NULL ORDER BY id LIMIT 10

SELECT id FROM items WHERE price IS DISTINCT FROM $1 ORDER BY id LIMIT 10

SELECT id FROM items WHERE active ORDER BY id LIMIT 10

SELECT id FROM items WHERE NOT archived ORDER BY id LIMIT 10

SELECT id FROM items WHERE status NOT IN ('sold', 'lost') ORDER BY id LIMIT 10

SELECT id FROM items WHERE category_id IN (SELECT id FROM categories WHERE visible) ORDER BY id LIMIT 10

SELECT id FROM items WHERE price > (SELECT avg(price) FROM items) ORDER BY id LIMIT 10

SELECT id FROM users WHERE (SELECT count(*) FROM orders WHERE orders.user_id = users.id) > 5 ORDER BY id LIMIT 10

SELECT u.id, count(o.id) AS orders FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id HAVING count(o.id) > 0

SELECT u.id, (SELECT max(at) FROM logins l WHERE l.user_id = u.id) AS seen FROM users u WHERE u.team_id = $1

SELECT c.name, sum(l.quantity) FROM categories c JOIN products p ON p.category_id = c.id JOIN order_lines l ON l.product_id = p.id GROUP BY c.name

SELECT a.id FROM a JOIN b USING (id) NATURAL JOIN c WHERE a.id = $1

SELECT a.id FROM a FULL JOIN b ON a.id = b.id WHERE a.id = $1

SELECT x.id FROM public.x JOIN audit.y ON y.x_id = x.id WHERE x.id = $1

SELECT t.relname FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = 'public' LIMIT 100

SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position LIMIT 500

SELECT generate_series(1, 10)

TABLE settings

VALUES (1, 'one'), (2, 'two')

BEGIN

COMMIT

ROLLBACK TO SAVEPOINT before

START TRANSACTION ISOLATION LEVEL SERIALIZABLE

SET statement_timeout = '5s'

SHOW server_version

CREATE TABLE IF NOT EXISTS notes (id bigserial PRIMARY KEY, body text NOT NULL DEFAULT '*', deleted_at timestamptz DEFAULT NULL)

CREATE INDEX CONCURRENTLY notes_body ON notes (lower(body)) WHERE deleted_at IS NULL

CREATE VIEW open_tickets AS SELECT id, title FROM tickets WHERE closed_at IS NULL

ALTER TABLE notes ADD COLUMN author_id bigint REFERENCES users (id) ON DELETE SET NULL

DROP TABLE IF EXISTS old_notes

TRUNCATE logs

VACUUM ANALYZE

LISTEN jobs

COPY users (id, email) TO STDOUT

EXPLAIN SELECT id FROM users WHERE id = $1

GRANT SELECT ON users TO reader

COMMENT ON TABLE users IS 'SELECT * FROM users'

SELECT id, name FROM teams WHERE id = ?

SELECT `id`, `name` FROM `teams` WHERE `id` = ?

UPDATE teams SET name = ? WHERE id = ?

DELETE FROM teams WHERE id = ?

INSERT INTO teams (name) VALUES (?)

SELECT id FROM teams WHERE league_id = ? ORDER BY name LIMIT 10

SELECT id, provider, cost FROM calls WHERE cohort = $1 AND day >= $2 ORDER BY day LIMIT 100

SELECT provider, avg(latency_ms) AS mean, count(*) FROM calls WHERE day = $1 GROUP BY provider

SELECT key, value, expires_at FROM cache WHERE key = $1 AND expires_at > now()

UPDATE budgets SET cents = cents - $1 WHERE id = $2 RETURNING cents

INSERT INTO calls (provider, model, tokens, cost) VALUES ($1, $2, $3, $4)

SELECT m.id, m.body, u.name FROM messages m JOIN users u ON u.id = m.user_id WHERE m.room_id = $1 AND m.id < $2 ORDER BY m.id DESC LIMIT 50

SELECT r.id FROM rooms r WHERE r.capacity >= $1 AND NOT EXISTS (SELECT 1 FROM bookings b WHERE b.room_id = r.id AND b.during && $2) ORDER BY r.capacity LIMIT 5

INSERT INTO votes (user_id, post_id, value) VALUES ($1, $2, $3) ON CONFLICT (user_id, post_id) DO UPDATE SET value = EXCLUDED.value WHERE votes.value <> EXCLUDED.value

SELECT post_id, sum(value) AS score FROM votes WHERE post_id = ANY($1) GROUP BY post_id

SELECT id, parent_id, path FROM comments WHERE path <@ $1 ORDER BY path LIMIT 200

SELECT h.hour, avg(h.watts) FROM hourly h WHERE h.meter_id = $1 AND h.hour >= $2 GROUP BY h.hour

SELECT id, extract(year FROM born) AS year FROM people WHERE id = $1

SELECT trim(name) AS name, substring(code FROM 1 FOR 3) AS prefix FROM products WHERE id = $1

SELECT id FROM invoices WHERE due_on < current_date AND paid_at IS NULL ORDER BY due_on LIMIT 100

SELECT i.id, i.number FROM invoices i WHERE i.customer_id = $1 AND i.issued_on >= make_date($2, 1, 1) AND i.issued_on < make_date($2 + 1, 1, 1)

SELECT min(id), max(id) FROM events

SELECT reltuples::bigint AS estimate FROM pg_class WHERE oid = 'events'::regclass LIMIT 1

SELECT id FROM flags WHERE bits & 4 = 4 ORDER BY id LIMIT 10

SELECT id, data FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT 100 FOR UPDATE

UPDATE outbox SET sent_at = now() WHERE id = ANY($1::bigint[])

SELECT lag.id FROM replicas lag WHERE lag.seconds > 10 ORDER BY lag.seconds DESC LIMIT 3

SELECT id FROM películas WHERE título = 'Señales — 💡' LIMIT 1

SELECT id FROM users WHERE name COLLATE "C" = $1 LIMIT 1

SELECT EXTRACT(epoch FROM now() - started_at) AS seconds FROM runs WHERE id = $1

SELECT json_build_object('users', (SELECT count(*) FROM users), 'teams', (SELECT count(*) FROM teams))

SELECT u.id FROM users u JOIN LATERAL jsonb_array_elements(u.roles) role ON role->>'name' = 'admin' WHERE u.team_id = $1

SELECT greatest(a, b) FROM pairs WHERE id = $1

SELECT id FROM t WHERE (a, b) IN (($1, $2), ($3, $4)) LIMIT 10

SELECT id, name FROM users WHERE id IN ($1, $2, $3)

