-- What the tests ask a MariaDB about.
CREATE TABLE person (id INT PRIMARY KEY, name VARCHAR(50) NOT NULL,
    secret VARCHAR(20) COMMENT 'Not to be told', KEY x (name), FULLTEXT (name))
    COMMENT 'Everybody we know' CHARACTER SET utf8mb4;
INSERT INTO person VALUES (1, 'Ada', 'a'), (2, 'Grace', 'b'), (3, 'Edsger', NULL);
CREATE TABLE post (id BIGINT PRIMARY KEY, author INT, score DECIMAL(8, 2),
    FOREIGN KEY (author) REFERENCES person (id));
INSERT INTO post VALUES (1, 1, 2.50), (9007199254740993, 3, NULL);
CREATE VIEW known AS SELECT id, name FROM person;
CREATE TABLE document (id INT, page INT, body LONGTEXT, PRIMARY KEY (page, id));
INSERT INTO document VALUES (1, 1, 'one'), (3, 1, REPEAT('three ', 5000)), (2, 1, 'two');
CREATE TABLE note (word VARCHAR(20)) ENGINE = MyISAM;
INSERT INTO note VALUES ('kept');
CREATE SEQUENCE person_number;
CREATE PROCEDURE forget() DELETE FROM person;
DELIMITER //
CREATE FUNCTION forgotten() RETURNS INT MODIFIES SQL DATA
    BEGIN DELETE FROM person; DELETE FROM note; RETURN 1; END//
DELIMITER ;
CREATE DATABASE other;
CREATE TABLE other.thing (a INT, b INT, PRIMARY KEY (b, a));
CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'reader-password';
GRANT SELECT ON test.person TO reader@'127.0.0.1';
GRANT SELECT ON test.post TO reader@'127.0.0.1';
GRANT SELECT (id, page, body) ON test.document TO reader@'127.0.0.1';
ANALYZE TABLE person;
