package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// metric is the lag in Prometheus's text format.
const metric = "kafka_consumer_message_accumulation"

// fetchLimit bounds a look at the collector's pages.
const fetchLimit = 10 * time.Second

// series is what tells one lag from another.
type series struct {
	group, instance string
}

// row is the newest point of a series.
type row struct {
	series
	lag float64
	at  time.Time
}

// fetch reads the rows from a page in Prometheus's text format.
func fetch(ctx context.Context, url string) ([]row, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	resp, err := get(ctx, url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return parse(resp.Body)
}

func get(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

// parse picks the rows out of a page. It knows just as much of the format as the collector
// writes for this metric.
func parse(page io.Reader) ([]row, error) {
	var rows []row
	lines := bufio.NewScanner(page)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), metric+"{")
		if !ok {
			continue
		}
		r, err := parseRow(rest)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", lines.Text(), err)
		}
		rows = append(rows, r)
	}
	return rows, lines.Err()
}

// parseRow parses a line from behind the opening brace: labels, value, and a timestamp in
// unix milliseconds.
func parseRow(line string) (row, error) {
	labels, rest, err := parseLabels(line)
	if err != nil {
		return row{}, err
	}
	fields := strings.Fields(rest)
	if len(fields) != 2 {
		return row{}, errors.New("a value and a timestamp should follow the labels")
	}
	lag, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return row{}, err
	}
	ms, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return row{}, err
	}
	return row{series{labels["consumer_group"], labels["instance_id"]}, lag, time.UnixMilli(ms)}, nil
}

// parseLabels parses name="value" pairs up to the closing brace, and returns what follows.
// The escapes of values are a subset of those of Go.
func parseLabels(line string) (labels map[string]string, rest string, err error) {
	labels = map[string]string{}
	for !strings.HasPrefix(line, "}") {
		name, after, ok := strings.Cut(line, "=")
		if !ok {
			return nil, "", errors.New("the labels do not end")
		}
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil {
			return nil, "", fmt.Errorf("label %s: %w", name, err)
		}
		if labels[name], err = strconv.Unquote(quoted); err != nil {
			return nil, "", fmt.Errorf("label %s: %w", name, err)
		}
		line = strings.TrimPrefix(after[len(quoted):], ",")
	}
	return labels, line[1:], nil
}
