// On a phone codes and filters are in a sheet over the page; elsewhere they stand in the panel.

import { openDialog } from './dialogs.js'
import { byId } from './dom.js'

const PHONE = '(max-width: 44rem)'

export function startSheet() {
  const sheet = byId('filter-sheet')
  const panel = document.querySelector('.panel-scroll')
  const phone = matchMedia(PHONE)
  const place = () => {
    const room = phone.matches ? byId('sheet-body') : panel
    room.append(byId('seen'), byId('filters'))
    if (!phone.matches && sheet.open) sheet.close()
  }
  for (const button of document.querySelectorAll('[data-action="filters"]')) {
    button.addEventListener('click', () => openDialog(sheet))
  }
  sheet.querySelector('[data-action="show-results"]').addEventListener('click', () => sheet.close())
  phone.addEventListener('change', place)
  place()
}
