#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# DevStack plugin: install and configure nova-trove-guard in Nova, Cinder,
# Neutron and Trove.
#
#   enable_plugin trove https://opendev.org/openstack/trove
#   enable_plugin nova-trove-guard <url of this repository>
#   TROVE_MANAGED_INSTANCES=True
#
# stack.sh calls the plugin in three phases: install (the services are
# installed), post-config (the services are configured and not started yet, so
# none needs a restart) and extra (the services run). unstack.sh calls the
# plugin before it stops the services and Keystone.

# The entry of clouds.yaml with which to manage DevStack's service users.
TROVE_GUARD_CLOUD=devstack-system-admin
TROVE_GUARD_PACKAGE=nova-trove-guard
TROVE_GUARD_ROLE=trove_admin
TROVE_GUARD_USER=trove

# Run nova-trove-guard from the environment that setup_develop installs into.
function trove_guard {
    "$(get_python_exec_prefix)/nova-trove-guard" "$@"
}

# Trove's plugin creates trove.conf anew in post-config, so it must come first.
function check_trove_guard_order {
    if [[ ",$DEVSTACK_PLUGINS," =~ ,nova-trove-guard,(.*,)?trove, ]]; then
        die $LINENO "enable_plugin trove before nova-trove-guard"
    fi
}

function install_trove_guard {
    setup_develop "${GITDIR[nova-trove-guard]}" cli,trove
}

# With this extension driver, a new port has its marker from the beginning. It
# must be set before stack.sh configures Neutron.
function prepare_trove_guard_in_neutron {
    neutron_ml2_extension_driver_add tag_ports_during_bulk_creation
}

# Give the role to the user that Trove's plugin has created. The password goes
# through a pipe, so that no list of processes shows it.
function create_trove_guard_accounts {
    trove_guard bootstrap --os-cloud $TROVE_GUARD_CLOUD \
        --project "$SERVICE_PROJECT_NAME" --user $TROVE_GUARD_USER \
        --domain "$SERVICE_DOMAIN_NAME" --grant-existing \
        --server-owner "$TROVE_GUARD_SERVER_OWNER" \
        --password-file <(printf '%s\n' "$SERVICE_PASSWORD") \
        -f csv
}

# Add the filter to an api-paste.ini, and its options to the service's conf.
function configure_trove_guard_in_api {
    local paste=$1 conf=$2
    trove_guard paste insert "$paste"
    iniset "$conf" trove_guard trove_managed_instances True
    iniset "$conf" keystone_authtoken service_token_roles service
    iniset "$conf" keystone_authtoken service_token_roles_required True
}

function configure_trove_guard_in_nova {
    # This still runs in the background, and writes into nova.conf.
    async_wait configure_neutron_nova
    configure_trove_guard_in_api "$NOVA_API_PASTE_INI" "$NOVA_CONF"
}

# lib/cinder has already written the credentials in [nova].
function configure_trove_guard_in_cinder {
    configure_trove_guard_in_api "$CINDER_API_PASTE_INI" "$CINDER_CONF"
}

# lib/neutron has copied api-paste.ini into this directory.
function configure_trove_guard_in_neutron {
    configure_trove_guard_in_api "$NEUTRON_CONF_DIR/api-paste.ini" \
        "$NEUTRON_CONF"
}

function configure_trove_guard_in_trove {
    local module=nova_trove_guard.trove
    local service

    iniset "$TROVE_CONF" DEFAULT taskmanager_manager \
        $module.taskmanager.Manager
    for service in nova cinder neutron; do
        iniset "$TROVE_CONF" DEFAULT remote_${service}_client \
            $module.client.${service}_client
    done
    iniset "$TROVE_CONF" trove_guard trove_managed_instances True
    iniset "$TROVE_CONF" trove_guard server_owner "$TROVE_GUARD_SERVER_OWNER"
}

# The service runs now: report what is still wrong, but do not stop for a
# warning.
function check_trove_guard {
    local service=$1 conf=$2
    local status=0
    "$(get_python_exec_prefix)/nova-trove-guard-status" --service "$service" \
        --config-file "$conf" upgrade check || status=$?
    if [[ $status -gt 1 ]]; then
        die $LINENO "nova-trove-guard is not in place"
    fi
}

# Undo configure_trove_guard_in_api.
function unconfigure_trove_guard_in_api {
    local paste=$1 conf=$2
    if [[ -f "$paste" ]]; then
        trove_guard paste remove "$paste"
    fi
    if [[ -f "$conf" ]]; then
        inidelete "$conf" trove_guard trove_managed_instances
        inidelete "$conf" keystone_authtoken service_token_roles
        inidelete "$conf" keystone_authtoken service_token_roles_required
    fi
}

# Undo the configuration, but not the installation. stack.sh creates the
# services' configuration anew; this is for those who start them without it.
function unconfigure_trove_guard {
    unconfigure_trove_guard_in_api "$NOVA_API_PASTE_INI" "$NOVA_CONF"
    unconfigure_trove_guard_in_api "$CINDER_API_PASTE_INI" "$CINDER_CONF"
    unconfigure_trove_guard_in_api "$NEUTRON_CONF_DIR/api-paste.ini" \
        "$NEUTRON_CONF"
    # Trove's plugin runs first, and has removed its own configuration.
    if [[ -f "$TROVE_CONF" ]]; then
        local option
        iniset "$TROVE_CONF" DEFAULT taskmanager_manager \
            trove.taskmanager.manager.Manager
        for option in remote_{nova,cinder,neutron}_client; do
            inidelete "$TROVE_CONF" DEFAULT "$option"
        done
        for option in trove_managed_instances server_owner; do
            inidelete "$TROVE_CONF" trove_guard "$option"
        done
    fi
}

function delete_trove_guard_accounts {
    # Keystone may already be down, or the role deleted.
    openstack --os-cloud $TROVE_GUARD_CLOUD role delete $TROVE_GUARD_ROLE ||
        true
}

function uninstall_trove_guard {
    # pip_uninstall does not use DevStack's global virtual environment itself.
    local PIP_VIRTUAL_ENV=${PIP_VIRTUAL_ENV:-}
    if [[ "${GLOBAL_VENV:-}" == "True" ]]; then
        PIP_VIRTUAL_ENV=$DEVSTACK_VENV
    fi
    pip_uninstall $TROVE_GUARD_PACKAGE
}

# Run a phase, given in the words of stack.sh, unstack.sh or clean.sh.
function trove_guard_phase {
    case "$*" in
        "stack install")
            check_trove_guard_order
            echo_summary "Installing nova-trove-guard"
            install_trove_guard
            if is_service_enabled q-svc neutron-api; then
                prepare_trove_guard_in_neutron
            fi
            ;;
        "stack post-config")
            echo_summary "Configuring nova-trove-guard"
            if is_service_enabled key && is_service_enabled trove; then
                create_trove_guard_accounts
            fi
            if is_service_enabled n-api; then
                configure_trove_guard_in_nova
            fi
            if is_service_enabled c-api; then
                configure_trove_guard_in_cinder
            fi
            if is_service_enabled q-svc neutron-api; then
                configure_trove_guard_in_neutron
            fi
            if is_service_enabled trove; then
                configure_trove_guard_in_trove
            fi
            ;;
        "stack extra")
            if is_service_enabled n-api; then
                check_trove_guard compute "$NOVA_CONF"
            fi
            if is_service_enabled c-api; then
                check_trove_guard volume "$CINDER_CONF"
            fi
            if is_service_enabled q-svc neutron-api; then
                check_trove_guard network "$NEUTRON_CONF"
            fi
            ;;
        "unstack")
            unconfigure_trove_guard
            delete_trove_guard_accounts
            ;;
        "clean")
            uninstall_trove_guard
            ;;
    esac
}

if [[ "$TROVE_MANAGED_INSTANCES" == "True" ]]; then
    trove_guard_phase "$@"
fi
