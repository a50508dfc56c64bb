package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/dingtalk"
)

// files are the files with the address of the robot.
type files struct {
	url, secret string
}

// read returns what the files contain now. Its errors name the file, never what is in it.
func (f files) read() (a dingtalk.Address, err error) {
	if a.URL, err = readFile(f.url); err != nil {
		return a, err
	}
	if err = a.Validate(); err != nil {
		return a, fmt.Errorf("%s: %w", f.url, err)
	}
	a.Secret, err = readFile(f.secret)
	return a, err
}

func readFile(name string) (string, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(content))
	if text == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	return text, nil
}
