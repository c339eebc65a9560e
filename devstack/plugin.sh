#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# DevStack plugin: guards what Trove manages, in Nova, Cinder, Neutron and Trove.
#
#   enable_plugin trove https://opendev.org/openstack/trove
#   enable_plugin nova-trove-guard <url of this repository>
#   TROVE_MANAGED_INSTANCES=True
#
# stack.sh calls it in the phases install (the services are installed),
# post-config (they have their configuration, none is started: so nothing has
# to be started again) and extra (they run). unstack.sh calls it before the
# services and Keystone are stopped.

# Where in DevStack its service users are.
TROVE_GUARD_CLOUD=devstack-system-admin
TROVE_GUARD_PACKAGE=nova-trove-guard
TROVE_GUARD_ROLE=trove_admin
TROVE_GUARD_USER=trove

# The command line, in the environment that setup_develop installs into.
function trove_guard {
    "$(get_python_exec_prefix)/nova-trove-guard" "$@"
}

# Trove writes its trove.conf anew in its post-config: it must come first.
function check_trove_guard_order {
    if [[ ",$DEVSTACK_PLUGINS," =~ ,nova-trove-guard,(.*,)?trove, ]]; then
        die $LINENO "enable_plugin trove before nova-trove-guard"
    fi
}

function install_trove_guard {
    setup_develop "${GITDIR[nova-trove-guard]}" cli,trove
}

# Before stack.sh configures Neutron: a new port has its marker at once.
function prepare_trove_guard_in_neutron {
    neutron_ml2_extension_driver_add tag_ports_during_bulk_creation
}

# The role for the user that Trove's plugin has made. Its password goes
# through a pipe, so that no list of processes shows it.
function create_trove_guard_accounts {
    trove_guard bootstrap --os-cloud $TROVE_GUARD_CLOUD \
        --project "$SERVICE_PROJECT_NAME" --user $TROVE_GUARD_USER \
        --domain "$SERVICE_DOMAIN_NAME" --grant-existing \
        --server-owner "$TROVE_GUARD_SERVER_OWNER" \
        --password-file <(printf '%s\n' "$SERVICE_PASSWORD") \
        -f csv
}

# The filter and its options, by an api-paste.ini and the service's conf.
function configure_trove_guard_in_api {
    local paste=$1 conf=$2
    trove_guard paste insert "$paste"
    iniset "$conf" trove_guard trove_managed_instances True
    iniset "$conf" keystone_authtoken service_token_roles service
    iniset "$conf" keystone_authtoken service_token_roles_required True
}

function configure_trove_guard_in_nova {
    # stack.sh has this still writing into nova.conf.
    async_wait configure_neutron_nova
    configure_trove_guard_in_api "$NOVA_API_PASTE_INI" "$NOVA_CONF"
}

# lib/cinder has written the credentials in [nova] already.
function configure_trove_guard_in_cinder {
    configure_trove_guard_in_api "$CINDER_API_PASTE_INI" "$CINDER_CONF"
}

# lib/neutron copies the file there.
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

# It runs by now: say what is still wrong, but don't stop for a warning.
function check_trove_guard {
    local service=$1 conf=$2
    local status=0
    "$(get_python_exec_prefix)/nova-trove-guard-status" --service "$service" \
        --config-file "$conf" upgrade check || status=$?
    if [[ $status -gt 1 ]]; then
        die $LINENO "nova-trove-guard is not in place"
    fi
}

# What configure_trove_guard_in_api has done.
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

# What is configured, not what is installed. stack.sh makes the services'
# configuration anew; this is for those who go on without it.
function unconfigure_trove_guard {
    unconfigure_trove_guard_in_api "$NOVA_API_PASTE_INI" "$NOVA_CONF"
    unconfigure_trove_guard_in_api "$CINDER_API_PASTE_INI" "$CINDER_CONF"
    unconfigure_trove_guard_in_api "$NEUTRON_CONF_DIR/api-paste.ini" \
        "$NEUTRON_CONF"
    # Trove's plugin, which came first, has removed its own.
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
    # Keystone may be down already, or the role gone.
    openstack --os-cloud $TROVE_GUARD_CLOUD role delete $TROVE_GUARD_ROLE ||
        true
}

function uninstall_trove_guard {
    # pip_uninstall does not know of DevStack's own environment.
    local PIP_VIRTUAL_ENV=${PIP_VIRTUAL_ENV:-}
    if [[ "${GLOBAL_VENV:-}" == "True" ]]; then
        PIP_VIRTUAL_ENV=$DEVSTACK_VENV
    fi
    pip_uninstall $TROVE_GUARD_PACKAGE
}

# The phases, in the words of stack.sh, unstack.sh and clean.sh.
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
