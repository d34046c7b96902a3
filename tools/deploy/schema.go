package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// generated is where the schema of the settings begins in values.schema.json. Helm reads no other file.
var generated = []byte(`"configuration": `)

// valuesSchema returns the schema of the chart as it is, and as it should be with the schema of the settings.
func valuesSchema(dir string) (file string, have, want []byte, err error) {
	file = filepath.Join(chartFolder(dir), "values.schema.json")
	have, err = os.ReadFile(file)
	if err != nil {
		return file, nil, nil, err
	}
	own, _, found := bytes.Cut(have, generated)
	if !found {
		return file, nil, nil, fmt.Errorf("%s has no %s", file, generated)
	}
	settings, err := os.ReadFile(filepath.Join(dir, "..", "docs", "configuration.schema.json"))
	if err != nil {
		return file, nil, nil, err
	}
	var text bytes.Buffer
	text.Write(own)
	text.Write(generated)
	if err := json.Indent(&text, bytes.TrimSpace(settings), "    ", "  "); err != nil {
		return file, nil, nil, err
	}
	text.WriteString("\n  }\n}\n")
	return file, have, text.Bytes(), nil
}

func writeSchema(dir string) error {
	file, _, want, err := valuesSchema(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(file, want, 0o644)
}

func checkSchema(dir string, wrong *mistakes) error {
	file, have, want, err := valuesSchema(dir)
	if err == nil && !bytes.Equal(have, want) {
		wrong.add("helm: %s does not have the settings of docs/configuration.schema.json: make docs", filepath.Base(file))
	}
	return err
}
