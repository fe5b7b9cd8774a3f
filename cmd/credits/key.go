package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/clock"
)

// key makes, lists and revokes API keys.
func (p *program) key(ctx context.Context, args []string) (err error) {
	if len(args) == 0 {
		return fmt.Errorf("key create, key list or key revoke? %w", errUsage)
	}
	parse, ok := map[string]func([]string) (keyWork, error){
		"create": p.keyCreate,
		"list":   p.keyList,
		"revoke": p.keyRevoke,
	}[args[0]]
	if !ok {
		return fmt.Errorf("there is no command \"key %s\": %w", args[0], errUsage)
	}
	work, err := parse(args[1:])
	if err != nil {
		return err
	}
	d, err := p.openForCommand(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	return work(ctx, apikey.New(d.pool, apikey.Options{Clock: clock.System}))
}

// keyWork is a command with valid arguments. No database is started before they are checked.
type keyWork func(context.Context, *apikey.Keys) error

func (p *program) keyCreate(args []string) (keyWork, error) {
	flags := flag.NewFlagSet("key create", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	scopes := flags.String("scopes", "", "read, spend, admin")
	name := flags.String("name", "made on the command line", "what the key is for")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || *scopes == "" {
		return nil, fmt.Errorf("key create --scopes admin,spend,read [--name NAME]: %w", errUsage)
	}
	scope, err := apikey.ParseScopes(*scopes)
	if err != nil {
		return nil, fmt.Errorf("--scopes must be one or more of read, spend, admin, separated by commas: %w",
			errUsage)
	}
	return func(ctx context.Context, keys *apikey.Keys) error {
		key, secret, err := keys.Create(ctx, *name, scope)
		if err != nil {
			return err
		}
		p.log.Info("operator act", "act", "key create", "key", key.ID, "key_prefix", key.Prefix, "scope",
			key.Scope.String())
		fmt.Fprintf(p.stdout, "Made key %s with scope %s. It is shown this once:\n%s\n", key.ID, key.Scope, secret)
		return nil
	}, nil
}

func (p *program) keyList(args []string) (keyWork, error) {
	if len(args) > 0 {
		return nil, fmt.Errorf("key list takes no arguments: %w", errUsage)
	}
	return func(ctx context.Context, keys *apikey.Keys) error {
		list, err := keys.List(ctx)
		if err != nil {
			return err
		}
		for _, k := range list {
			state := "in force"
			if !k.RevokedAt.IsZero() {
				state = "revoked " + k.RevokedAt.Format(time.RFC3339)
			}
			fmt.Fprintf(p.stdout, "%s  %s  %-5s  %s  %s  %s\n", k.ID, k.Prefix, k.Scope,
				k.CreatedAt.Format(time.RFC3339), state, k.Name)
		}
		return nil
	}, nil
}

func (p *program) keyRevoke(args []string) (keyWork, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("key revoke ID: %w", errUsage)
	}
	id, err := uuid.Parse(args[0])
	if err != nil {
		return nil, fmt.Errorf("%q is not the id of a key: %w", args[0], errUsage)
	}
	return func(ctx context.Context, keys *apikey.Keys) error {
		if err := keys.Revoke(ctx, id); err != nil {
			return err
		}
		p.log.Info("operator act", "act", "key revoke", "key", id)
		fmt.Fprintln(p.stdout, "Revoked.")
		return nil
	}, nil
}
